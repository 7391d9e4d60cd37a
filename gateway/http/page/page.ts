import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface Page {
  readonly html: string;
  /** Content security policy that allows this page's own script and style by their hashes, and nothing else. */
  readonly csp: string;
}

/** The status page as one self-contained document: nothing is fetched but `/api/v1`. */
export function loadPage(): Page {
  const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8');
  const style = `\n${read('page.css')}`;
  const script = `\n${read('page.js')}`;
  const html = read('page.html')
    .replace('<style></style>', () => `<style>${style}</style>`)
    .replace('<script></script>', () => `<script>${script}</script>`);
  const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  return {
    html,
    csp: [
      "default-src 'none'",
      `script-src ${hash(script)}`,
      `style-src ${hash(style)}`,
      "connect-src 'self'",
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
  };
}
