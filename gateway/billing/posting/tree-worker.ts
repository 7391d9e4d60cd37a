import { parentPort, workerData } from 'node:worker_threads';
import type { RangeRow } from './outbox-ops.ts';
import { packTree } from './tree-builder.ts';

parentPort?.postMessage(packTree(workerData as readonly RangeRow[]));
