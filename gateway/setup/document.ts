import { type Document, parseDocument } from 'yaml';
import type { SetupBody } from '../http/index.ts';
import { configTemplate } from './template.ts';

export interface DocumentParts {
  readonly entries: SetupBody;
  /** Port of the page: the dashboard shall be where the setup was. */
  readonly port: number;
  /** Paths relative to the file. */
  readonly cert: string;
  readonly key: string;
  readonly keystore: string;
  readonly passphraseFile: string;
  /** File with the password of the upstream; absent when it has none. */
  readonly passwordFile: string | undefined;
}

/** The commented gateway.yaml that `init` writes, with what was entered in the browser. */
export function configDocument(parts: DocumentParts): string {
  const { place, links } = parts.entries;
  const document = parseDocument(configTemplate({ ...parts, name: place.name }));
  if (place.latitude !== undefined && place.longitude !== undefined)
    set(document, ['gateway', 'location'], { latitude: place.latitude, longitude: place.longitude });
  document.setIn(['listen', 'http', 'port'], parts.port);
  if (links.open) {
    document.setIn(['listen', 'host'], '0.0.0.0');
    document.setIn(['auth', 'anonymous'], false);
  }
  if (links.upstream) set(document, ['upstream'], [sinkOf(links.upstream, parts.passwordFile)]);
  if (links.chain) {
    const { keystore, passphraseFile } = parts;
    set(document, ['billing'], { chain: { ...links.chain, keystore, passphraseFile } });
  }
  return document.toString();
}

function sinkOf(
  { url, username }: NonNullable<SetupBody['links']['upstream']>,
  passwordFile: string | undefined,
): object {
  if (/^https?:/.test(url)) return { id: 'cloud', http: { url }, send: ['aggregates', 'results'] };
  return {
    id: 'cloud',
    mqtt: {
      url,
      ...(username === undefined ? {} : { username }),
      ...(passwordFile === undefined ? {} : { passwordFile }),
    },
    send: ['aggregates', 'results'],
  };
}

/** In block style, as a person would write it. */
function set(document: Document, path: readonly string[], value: unknown): void {
  document.setIn(path, document.createNode(value));
}
