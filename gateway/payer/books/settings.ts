import type { Books } from './books.ts';

/** Small things that commands remember, such as where a chain's node is. */
export const readSetting = (books: Books, name: string): string | undefined =>
  books.one<{ value: string }>('SELECT value FROM payer_settings WHERE name = ?', name)?.value;

/** Answers whether the setting is new. */
export const noteSetting = (books: Books, name: string, value: string): boolean => {
  const fresh = readSetting(books, name) === undefined;
  books.run('INSERT OR REPLACE INTO payer_settings VALUES (?, ?)', name, value);
  return fresh;
};
