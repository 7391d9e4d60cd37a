import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createFileSink } from '../../../adapters/upstream-file/index.ts';
import { upstreamSection } from '../../../gateway/config/schema.ts';
import type { Sink } from '../../../gateway/ports/sink.ts';
import { sinkContract, upstreamRecords } from '../../contracts/sink.ts';
import { recordingLog } from '../../support/log.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const signal = new AbortController().signal;

function open(file: { path: string; maxBytes?: number; keep?: number }, log = recordingLog()): Sink {
  const sink = createFileSink({ upstream: upstreamSection.parse({ id: 'archive', file }), log });
  onTestFinished(() => sink.stop());
  return sink;
}

const idsIn = (path: string): string[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => (JSON.parse(line) as { id: string }).id)
    : [];

describe('the contract', () => {
  sinkContract(async () => {
    const root = temporaryFolder();
    const folder = join(root, 'out');
    const path = join(folder, 'records.ndjson');
    mkdirSync(folder);
    return {
      open: () => open({ path }),
      received: () => idsIn(path),
      // A mount that went away and left something else in its place.
      async cut() {
        renameSync(folder, join(root, 'away'));
        writeFileSync(folder, '');
      },
      async restore() {
        rmSync(folder);
        renameSync(join(root, 'away'), folder);
      },
    };
  });
});

test('a torn last line is cut off on opening, whole lines stay', async () => {
  const path = join(temporaryFolder(), 'records.ndjson');
  const [first, second, third] = upstreamRecords(3);
  writeFileSync(path, `${first!.body}\n${second!.body.slice(0, 20)}`);
  const log = recordingLog();
  const sink = open({ path }, log);
  expect(await sink.deliver([second!, third!], signal)).toEqual({ kind: 'delivered' });
  expect(idsIn(path)).toEqual([first!.id, second!.id, third!.id]);
  expect(log.lines.map(({ message }) => message).join()).toContain('torn last line');
});

test('a torn file without any line end is emptied, also when it is long', async () => {
  const path = join(temporaryFolder(), 'records.ndjson');
  writeFileSync(path, 'x'.repeat(200_000));
  const [record] = upstreamRecords(1);
  expect(await open({ path }).deliver([record!], signal)).toEqual({ kind: 'delivered' });
  expect(readFileSync(path, 'utf8')).toBe(`${record!.body}\n`);
});

test('files rotate by size, the newest `keep` stay, order runs through them', async () => {
  const folder = temporaryFolder();
  const path = join(folder, 'records.ndjson');
  const records = upstreamRecords(100);
  const size = Buffer.byteLength(records[0]!.body) + 1;
  const sink = open({ path, maxBytes: size * 10, keep: 3 });
  for (const record of records) expect(await sink.deliver([record], signal)).toEqual({ kind: 'delivered' });
  expect(readdirSync(folder).sort()).toEqual([
    'records.ndjson',
    ...[1, 2, 3].map((n) => `records.ndjson.${n}`),
  ]);
  const kept = ['.3', '.2', '.1', ''].flatMap((suffix) => idsIn(path + suffix));
  expect(kept).toEqual(records.slice(-kept.length).map(({ id }) => id));
  expect(kept.length).toBeGreaterThanOrEqual(30);
});

test('a file that somebody moved away is made anew', async () => {
  const path = join(temporaryFolder(), 'records.ndjson');
  const sink = open({ path });
  const [first, second] = upstreamRecords(2);
  await sink.deliver([first!], signal);
  renameSync(path, `${path}.moved`);
  await sink.deliver([second!], signal);
  expect(idsIn(path)).toEqual([second!.id]);
  appendFileSync(path, '');
});
