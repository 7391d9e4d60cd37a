import { accessSync, constants, existsSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Config } from '../../config/schema.ts';
import { systemClock } from '../../system/clock.ts';
import { instant, size } from '../ui/format.ts';
import { bad, type Finding, ok, skip, warn } from './finding.ts';

const LITTLE_SPACE = 64 * 1024 * 1024;

/** Clock, data folder, disk and database. Changes nothing. */
export async function machineFindings(config: Config, running: boolean): Promise<Finding[]> {
  return [clock(), ...disk(config), await database(config.gateway.dataDir, running)];
}

function clock(): Finding {
  const now = instant(Date.now());
  if (systemClock().synced()) return ok('clock', now);
  return bad(
    'clock',
    `${now} cannot be right: records are flagged and no receipt is signed`,
    'timedatectl set-ntp true',
  );
}

function disk(config: Config): Finding[] {
  const { dataDir } = config.gateway;
  let folder = dataDir;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  const findings: Finding[] = [];
  try {
    accessSync(folder, constants.W_OK);
    findings.push(ok('data folder', existsSync(dataDir) ? dataDir : `${dataDir} will be made`));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    findings.push(
      bad(
        'data folder',
        `${folder} cannot be written (${code})`,
        `chown ${process.getuid?.() ?? ''} ${folder}`,
      ),
    );
  }
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const wanted =
    config.streams.reduce((sum, stream) => sum + stream.journal.maxBytes, 0) +
    config.upstream.reduce((sum, sink) => sum + sink.buffer.maxBytes, 0);
  const text = `${size(free)} free; the configuration may use ${size(wanted)}`;
  const fix = 'free some space, or lower journal.maxBytes and buffer.maxBytes in gateway.yaml';
  if (free < LITTLE_SPACE) findings.push(bad('disk', text, fix));
  else findings.push(free < wanted ? warn('disk', text, fix) : ok('disk', text));
  return findings;
}

async function database(dataDir: string, running: boolean): Promise<Finding> {
  const file = join(dataDir, 'gateway.db');
  if (!existsSync(file)) return skip('database', 'there is none yet: this gateway has never run');
  const { DatabaseSync } = await import('node:sqlite');
  try {
    const db = new DatabaseSync(file, { readOnly: true });
    try {
      const row = db.prepare('PRAGMA quick_check(1)').get() as { quick_check?: unknown } | undefined;
      if (row?.quick_check === 'ok') return ok('database', `${file} is sound${running ? ' (in use)' : ''}`);
      return damaged(file, String(row?.quick_check));
    } finally {
      db.close();
    }
  } catch (error) {
    return damaged(file, error instanceof Error ? error.message : String(error));
  }
}

const damaged = (file: string, reason: string): Finding =>
  bad(
    'database',
    `${file}: ${reason}`,
    'aimx-gateway start (puts the damaged file aside and saves what can be read)',
  );
