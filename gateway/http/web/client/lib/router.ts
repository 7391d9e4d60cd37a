import { store } from './store.ts';

/** Pages have addresses behind `#`, so that one document serves them all: `#/streams/power?device=meter`. */
export interface Route {
  /** First word: the page. */
  readonly page: string;
  /** The words after it, decoded. */
  readonly rest: readonly string[];
  readonly query: URLSearchParams;
}

function read(): Route {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2);
  const [page = '', ...rest] = path.split('/').map(decode);
  return { page: page || 'overview', rest, query: new URLSearchParams(query) };
}

function decode(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch (error) {
    if (error instanceof URIError) return word;
    throw error;
  }
}

export const route = store<Route>(read());
addEventListener('hashchange', () => route.set(read()));

export const href = (page: string, ...rest: readonly (string | number)[]): string =>
  `#/${[page, ...rest].map((word) => encodeURIComponent(word)).join('/')}`;

/** Changes the query of this page without a new entry in the history. */
export function setQuery(values: Readonly<Record<string, string>>): void {
  const { page, rest, query } = route.value;
  const next = new URLSearchParams(query);
  for (const [key, value] of Object.entries(values)) value === '' ? next.delete(key) : next.set(key, value);
  const text = next.toString();
  history.replaceState(null, '', `${href(page, ...rest)}${text === '' ? '' : `?${text}`}`);
  route.set(read());
}
