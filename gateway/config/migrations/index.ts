import { copyFileSync, readFileSync } from 'node:fs';
import { type Document, parseDocument } from 'yaml';
import { GatewayError } from '../../errors.ts';
import { writeFileAtomic } from '../../system/files.ts';

/** The version of gateway.yaml that this program reads. */
export const CONFIG_VERSION = 1;

/** One step from version `from` to `from + 1`. It edits the document in place, so comments and order stay. */
export interface Migration {
  readonly from: number;
  /** What changes, for the person whose file it is. */
  readonly title: string;
  migrate(document: Document): void;
}

/** Every step since version 1, in order. Files are numbered: `migrations/1-to-2.ts`. */
export const MIGRATIONS: readonly Migration[] = [];

export interface MigrationReport {
  readonly from: number;
  readonly to: number;
  /** Titles of the steps taken; empty when the file was current. */
  readonly steps: readonly string[];
  /** The old file, unchanged; undefined when nothing was done. */
  readonly backup: string | undefined;
}

/**
 * Brings a gateway.yaml up to the present version. The old file is kept beside it as `<file>.v<version>.<time>.bak`
 * before the new one takes its place in one step. A file without `version` is version 1.
 */
export function migrateFile(
  file: string,
  now: number,
  migrations: readonly Migration[] = MIGRATIONS,
): MigrationReport {
  const document = parseDocument(readFileSync(file, 'utf8'));
  const target = 1 + migrations.length;
  const found: unknown = document.errors.length === 0 ? (document.get('version') ?? 1) : target;
  const from = typeof found === 'number' && Number.isInteger(found) && found >= 1 ? found : target;
  if (from >= target) return { from, to: from, steps: [], backup: undefined };
  const steps: string[] = [];
  for (let version = from; version < target; version++) {
    const step = migrations.find((migration) => migration.from === version);
    if (!step)
      throw new GatewayError('INTERNAL', `no migration leads on from version ${version} of gateway.yaml`);
    step.migrate(document);
    document.set('version', version + 1);
    steps.push(step.title);
  }
  const backup = `${file}.v${from}.${new Date(now).toISOString().replaceAll(/[:.]/g, '-')}.bak`;
  copyFileSync(file, backup);
  writeFileAtomic(file, document.toString());
  return { from, to: target, steps, backup };
}
