import type { ModelIdentity, ModelInfo, Priority } from '../ports/inference.ts';
import type { Bundle } from './bundle.ts';
import { ModelStats } from './model-stats.ts';
import type { ModelPlan } from './plan.ts';

/**
 * How much a run counts in the estimate when it was faster, and when it was slower, where at most so many times slower
 * counts: a run during which something else had the processor says nothing of the model.
 */
const FASTER = 0.3;
const SLOWER = 0.05;
const MOST_SLOWER = 4;

/** One installed version and what the queues know of it. */
export class Model {
  readonly bundle: Bundle;
  readonly plan: ModelPlan;
  /** `name@version`. */
  readonly key: string;
  /** The same in every host. */
  readonly handle: number;
  readonly info: ModelInfo;
  readonly identity: ModelIdentity;
  readonly stats = new ModelStats();
  /** Most rows in one run. */
  readonly maxBatch: number;
  /** Rows that are in no batch yet, of all priorities. */
  waiting = 0;
  /** Since when they gather; monotonic ms. */
  gatherSince = 0;
  /** Estimated microseconds of a row, from the runs so far. */
  rowUs = 0;

  constructor(bundle: Bundle, plan: ModelPlan, handle: number) {
    this.bundle = bundle;
    this.plan = plan;
    const { name, version, sha256, limits } = bundle.manifest;
    this.key = `${name}@${version}`;
    this.handle = handle;
    this.identity = { name, version, sha256 };
    this.info = infoOf(bundle, plan);
    this.maxBatch = plan.batched ? limits.maxBatch : 1;
  }

  /** Takes in what a run of so many rows took. */
  noteRun(rows: number, micros: number): void {
    const each = micros / Math.max(1, rows);
    const { rowUs } = this;
    if (rowUs === 0) this.rowUs = each;
    else if (each < rowUs) this.rowUs += FASTER * (each - rowUs);
    else this.rowUs += SLOWER * (Math.min(each, MOST_SLOWER * rowUs) - rowUs);
    this.stats.noteRun(rows, micros);
  }

  noteFailure(priority: Priority, code: string): void {
    this.stats.noteFailure(priority, code);
  }
}

function infoOf({ manifest }: Bundle, plan: ModelPlan): ModelInfo {
  return {
    name: manifest.name,
    version: manifest.version,
    sha256: manifest.sha256,
    features: manifest.features,
    ...(manifest.columns ? { columns: manifest.columns } : {}),
    rows: manifest.rows,
    recurrent: plan.slots.length > 0,
    maxBatch: manifest.limits.maxBatch,
    ...(plan.window ? {} : { byName: true as const }),
    inputs: plan.face.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    outputs: plan.results.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
  };
}
