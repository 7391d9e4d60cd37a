/** One link of a CoRE link-format document (RFC 6690 §2). */
export interface Link {
  /** Absolute path, percent-encoded. */
  readonly href: string;
  /** Attribute → value; `true` for one without a value; a list is written space-separated in one quoted string. */
  readonly attributes: Readonly<Record<string, string | number | true | readonly string[]>>;
}

/** A path from its segments, each percent-encoded as RFC 3986 §3.3 needs. */
export function hrefOf(...segments: readonly string[]): string {
  return `/${segments.map((s) => encodeURIComponent(s)).join('/')}`;
}

export function formatLinks(links: readonly Link[]): string {
  return links.map(formatLink).join(',');
}

function formatLink(link: Link): string {
  let text = `<${link.href}>`;
  for (const [name, value] of Object.entries(link.attributes)) {
    if (value === true) text += `;${name}`;
    else if (typeof value === 'number') text += `;${name}=${value}`;
    else text += `;${name}="${quoted(typeof value === 'string' ? value : value.join(' '))}"`;
  }
  return text;
}

function quoted(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
}

/**
 * The links that match every `name=value` of the query (RFC 6690 §4.1). `href` is compared with the path; a value
 * that ends in `*` matches by prefix; attributes with several values match by any of them.
 */
export function filterLinks(links: readonly Link[], query: readonly string[]): Link[] {
  return links.filter((link) => query.every((part) => matches(link, part)));
}

function matches(link: Link, part: string): boolean {
  const equals = part.indexOf('=');
  const name = equals < 0 ? part : part.slice(0, equals);
  const wanted = equals < 0 ? undefined : part.slice(equals + 1).replace(/^"(.*)"$/, '$1');
  if (name === 'href') return wanted === undefined || [link.href, readable(link.href)].some(fits(wanted));
  if (!Object.hasOwn(link.attributes, name)) return false;
  const value = link.attributes[name]!;
  if (wanted === undefined) return true;
  if (value === true) return wanted === '' || wanted === '*';
  if (typeof value === 'number') return fits(wanted)(String(value));
  const whole = typeof value === 'string' ? value : value.join(' ');
  return fits(wanted)(whole) || whole.split(' ').some(fits(wanted));
}

function fits(wanted: string): (value: string) => boolean {
  if (!wanted.endsWith('*')) return (value) => value === wanted;
  const prefix = wanted.slice(0, -1);
  return (value) => value.startsWith(prefix);
}

/** `encodeURIComponent` made every href, so it can be undone. */
function readable(href: string): string {
  return decodeURIComponent(href);
}
