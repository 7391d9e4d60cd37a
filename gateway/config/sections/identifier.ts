import { z } from 'zod';

/** Ids of what a configuration names: they become parts of topics, paths and record ids. */
export const identifier = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,63}$/,
    'lower-case letters, digits, "-" and "_", at most 64, starting with a letter or digit',
  );
