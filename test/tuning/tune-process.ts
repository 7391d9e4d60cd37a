/** Tunes in a process of its own that a test can kill: `tune-process.ts DATA_FOLDER`. Prints a line once it trains. */
import { join } from 'node:path';
import { systemClock } from '../../gateway/system/clock.ts';
import { createLog } from '../../gateway/system/log.ts';
import { tuneModel } from '../../gateway/tuning/index.ts';

const dataDir = process.argv[2]!;
await tuneModel({
  model: 'streaming-anomaly@1',
  stream: 'pump',
  dataDir,
  bundled: join(import.meta.dirname, '../../models'),
  installed: join(dataDir, 'models'),
  since: 0,
  epochs: 1000,
  priority: 0,
  clock: systemClock(),
  log: createLog({ level: 'silent' }),
  signal: new AbortController().signal,
  onProgress: (_, note) => console.log(note),
});
