/** A thread of its own: tells the supervisor every second how the process does, whatever the main thread is doing. */
import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { readGrowing, readNode, readTurns } from './activity.ts';
import { line } from './lines.ts';
import type { Beat, Pipes } from './protocol.ts';
import { lookAtMainThread } from './stack.ts';

const BEAT_MS = 1000;
/** So long without a turn, the main thread is looked at once. */
const LOOK_AFTER_MS = 2000;
const WATCH: Pipes['watch'] = 4;

const memory = workerData as SharedArrayBuffer;
let turns = readTurns(memory);
let turnedAt = performance.now();
let used = process.cpuUsage();
let beatAt = turnedAt;
/** Id of the function node that keeps the main thread, when it was looked at. */
let keeper: string | undefined;

setInterval(() => {
  const now = performance.now();
  const seen = readTurns(memory);
  if (seen !== turns) {
    turns = seen;
    turnedAt = now;
    keeper = undefined;
  }
  const stalled = Math.round(now - turnedAt);
  if (stalled > LOOK_AFTER_MS && keeper === undefined) {
    keeper = '';
    lookAtMainThread((id) => {
      keeper = id;
    });
  }
  const { user, system } = process.cpuUsage(used);
  const busy = (user + system) / 1000 / (now - beatAt);
  used = process.cpuUsage();
  beatAt = now;
  const beat: Beat = {
    stalled,
    busy: Math.round(100 * busy) / 100,
    node: keeper || readNode(memory),
    growing: readGrowing(memory),
    rss: process.memoryUsage.rss(),
  };
  try {
    writeSync(WATCH, line(beat));
  } catch (error) {
    // A supervisor that is slow misses a beat. One that is gone leaves nobody to end a flow that never yields.
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') process.kill(process.pid, 'SIGKILL');
  }
}, BEAT_MS);
