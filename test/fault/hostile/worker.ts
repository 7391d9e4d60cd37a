import { parentPort, workerData } from 'node:worker_threads';
import { ATTACKS, type AttackOptions } from './attacks.ts';

/** Runs one attack on a thread of its own, so that the well-behaved clients' measurements are not of the attacker. */
const { name, options } = workerData as { name: string; options: AttackOptions };
parentPort?.postMessage(await ATTACKS[name]!(options));
