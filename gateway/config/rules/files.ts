import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Finding, Path } from '../issues.ts';
import type { Draft, RuleContext } from './draft.ts';

/** Files the configuration names: where they stand, whether they are secret, and what writes them. */
function namedFiles(draft: Draft): { path: Path; secret: boolean; hint: string }[] {
  const own = 'run `aimx-gateway init`, or name an existing file';
  const list: { path: Path; secret: boolean; hint: string }[] = [
    { path: ['listen', 'mqtts', 'cert'], secret: false, hint: own },
    { path: ['listen', 'mqtts', 'key'], secret: true, hint: own },
    { path: ['listen', 'mqtts', 'ca'], secret: false, hint: 'name an existing file' },
    { path: ['broker', 'passwordFile'], secret: true, hint: 'write the password into that file' },
    { path: ['billing', 'chain', 'keystore'], secret: true, hint: own },
    { path: ['billing', 'chain', 'passphraseFile'], secret: true, hint: own },
    { path: ['billing', 'tariff'], secret: false, hint: own },
  ];
  const trusted = draft.at(['models', 'trustedKeys']);
  if (Array.isArray(trusted))
    for (const index of trusted.keys())
      list.push({ path: ['models', 'trustedKeys', index], secret: false, hint: 'name an existing PEM file' });
  const servers = draft.at(['models', 'servers']);
  if (Array.isArray(servers)) {
    for (const index of servers.keys()) {
      const path: Path = ['models', 'servers', index];
      list.push(
        { path: [...path, 'tokenFile'], secret: true, hint: 'write the token into that file' },
        { path: [...path, 'ca'], secret: false, hint: 'name an existing PEM file' },
      );
    }
  }
  for (const upstream of draft.upstream) {
    list.push(
      {
        path: [...upstream.path, 'mqtt', 'passwordFile'],
        secret: true,
        hint: 'write the password into that file',
      },
      {
        path: [...upstream.path, 'http', 'bearerFile'],
        secret: true,
        hint: 'write the token into that file',
      },
    );
  }
  return list;
}

/** Files exist, and nobody but their owner reads the secret ones. */
export function fileRules(draft: Draft, context: RuleContext): Finding[] {
  if (!context.checkFiles) return [];
  return namedFiles(draft).flatMap(({ path, secret, hint }): Finding[] => {
    const name = draft.at(path);
    if (typeof name !== 'string') return [];
    const file = resolve(context.folder, name);
    const stat = statSync(file, { throwIfNoEntry: false });
    if (!stat?.isFile()) {
      const message = stat ? `${file} is not a file` : `there is no file ${file}`;
      return [{ path, message, expected: 'an existing file', fix: hint }];
    }
    const mode = stat.mode & 0o777;
    if (!secret || (mode & 0o077) === 0 || process.platform === 'win32') return [];
    return [
      {
        path,
        message: `others may read this secret (mode ${mode.toString(8).padStart(4, '0')})`,
        expected: 'mode 0400 or 0600',
        fix: `chmod 0400 ${file}`,
      },
    ];
  });
}
