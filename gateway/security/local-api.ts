import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../system/files.ts';

const localApi = z.strictObject({
  /** `http://127.0.0.1:8080` */
  url: z.string(),
  token: z.string(),
  pid: z.number().int(),
  startedAt: z.number(),
});
export type LocalApi = z.output<typeof localApi>;

const fileOf = (dataDir: string): string => join(dataDir, 'local-api.json');

/** Tells the command line on this machine where the running gateway is and how to speak to it. Mode 0600. */
export function publishLocalApi(dataDir: string, api: LocalApi): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  writeFileAtomic(fileOf(dataDir), `${JSON.stringify(api)}\n`, 0o600);
}

export function withdrawLocalApi(dataDir: string): void {
  rmSync(fileOf(dataDir), { force: true });
}

/** What the running gateway has published; undefined when none has, or it is no longer there. */
export function readLocalApi(dataDir: string): LocalApi | undefined {
  const file = fileOf(dataDir);
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) return undefined;
  const result = localApi.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  return result.success && alive(result.data.pid) ? result.data : undefined;
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
