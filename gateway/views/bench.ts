import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseReport } from '../benchmark/report.ts';
import { checkSignature } from '../benchmark/signature.ts';
import { GatewayError } from '../errors.ts';
import type { BenchEntry } from '../http/index.ts';

/** Newest reports that are listed, and the largest that is read. */
const MAX_REPORTS = 50;
const MAX_BYTES = 4 * 1024 * 1024;
const REPORT_FILE = /^[\w.-]{1,120}\.json$/;

/** Reports in a folder, newest first. What is none is left out. */
export async function benchEntries(folder: string): Promise<BenchEntry[]> {
  const names = (await namesIn(folder))
    .filter((name) => REPORT_FILE.test(name))
    .sort()
    .reverse();
  const entries: BenchEntry[] = [];
  for (const name of names.slice(0, MAX_REPORTS)) {
    const report = await reportIn(folder, name).catch((error: unknown) => {
      if (error instanceof GatewayError) return undefined;
      throw error;
    });
    if (report === undefined) continue;
    entries.push({
      id: name.slice(0, -'.json'.length),
      time: Date.parse(report.createdAt),
      board: report.machine.board,
      cpu: report.machine.cpu,
      models: [...new Set(report.models.map(({ model }) => `${model.name}@${model.version}`))],
      signature: checkSignature(report),
    });
  }
  return entries.sort((a, b) => b.time - a.time);
}

/** @throws GatewayError NOT_FOUND, BENCH_REPORT */
export async function benchReport(folder: string, id: string): Promise<unknown> {
  const name = `${id}.json`;
  if (!REPORT_FILE.test(name) || !(await namesIn(folder)).includes(name))
    throw new GatewayError('NOT_FOUND', 'there is no such report', { received: id });
  return await reportIn(folder, name);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function reportIn(folder: string, name: string) {
  const file = join(folder, name);
  const { size } = await stat(file);
  if (size > MAX_BYTES)
    throw new GatewayError('BENCH_REPORT', `${name} is no report`, { received: `${size} bytes` });
  return parseReport(await readFile(file, 'utf8'), file);
}
