import { en, type Words } from '../lang/en.ts';
import { persisted } from './store.ts';

/** Languages and the words of the page. A language that lacks a word does not compile. */

export type Word = keyof Words;
export const LANGUAGES = { en: 'English', zh: '中文' } as const;
export type Language = keyof typeof LANGUAGES;

const preferred = (): Language =>
  navigator.languages.some((one) => one.toLowerCase().startsWith('zh')) &&
  !navigator.languages[0]?.toLowerCase().startsWith('en')
    ? 'zh'
    : 'en';

export const language = persisted<Language>(
  'aimx-language',
  preferred(),
  (text): text is Language => text in LANGUAGES,
);
let words: Words = en;
let terms: Readonly<Record<string, string>> = {};

/** Loads the words of the chosen language; to be awaited before the first page and after each change. */
export async function loadWords(): Promise<void> {
  const chinese = language.value === 'zh';
  words = chinese ? (await import('../lang/zh.ts')).zh : en;
  terms = chinese ? (await import('../lang/zh-terms.ts')).zhTerms : {};
  document.documentElement.lang = locale();
}

/** BCP 47 tag for numbers, times and the document. */
export const locale = (): string => (language.value === 'zh' ? 'zh-CN' : 'en-GB');

/** A text of the page; `{name}` in it is replaced. */
export function t(word: Word, values?: Readonly<Record<string, string | number>>): string {
  const text = words[word];
  if (!values) return text;
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** A word that the gateway sends (a state, a kind): translated where it is known, else as it came. */
export function term(prefix: string, value: string): string {
  const key = `${prefix}.${value.toLowerCase()}`;
  return terms[key] ?? (words as Readonly<Record<string, string>>)[key] ?? value;
}
