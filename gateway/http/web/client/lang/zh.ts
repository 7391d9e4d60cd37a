import type { Words } from './en.ts';

export const zh: Words = {} as Words;
