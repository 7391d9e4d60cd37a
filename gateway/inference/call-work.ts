import type { ModelState, Priority, TensorAnswer } from '../ports/inference.ts';
import type { Datatype, Tensor } from '../ports/tensor.ts';
import type { Reply } from './batch.ts';
import { faceTensor, wantedOf } from './calls.ts';
import type { Model } from './model.ts';
import { rowsOf } from './rows.ts';
import { dataBytes, writeData } from './tensor-data.ts';
import { formatOf, stateOf, writeStates } from './window-work.ts';
import { failUnit, type Terms, type Work } from './work.ts';

export interface Called {
  readonly answer: TensorAnswer;
  /** New state of a call of one row; undefined for models without, and when it failed. */
  readonly state: ModelState | undefined;
}

export interface CallOptions {
  /** Names of the results that are wanted; undefined: all. */
  readonly outputs: readonly string[] | undefined;
  readonly state: ModelState | undefined;
  /** See {@link Work.asks}. Default: its rows. */
  readonly asks?: number;
}

/** One call with tensors: a unit of one or more rows. */
export class CallWork implements Work {
  readonly model: Model;
  readonly priority: Priority;
  readonly account: string;
  readonly since: number;
  readonly deadline: number;
  readonly format: string;
  readonly units = 1;
  readonly rows: number;
  readonly asks: number;
  readonly unitBytes: number;
  readonly wanted: number;
  readonly strict = true;
  next = 0;
  sentAt = 0;
  readonly #inputs: readonly Tensor[];
  readonly #outputs: readonly string[] | undefined;
  readonly #state: ModelState | undefined;
  #resolve: ((called: Called) => void) | null;

  /**
   * @param inputs checked, in the order of the model's face
   * Throws MODEL_SHAPE when there is no such result.
   */
  constructor(
    model: Model,
    inputs: readonly Tensor[],
    options: CallOptions,
    terms: Terms,
    resolve: (called: Called) => void,
  ) {
    this.model = model;
    this.priority = terms.priority;
    this.account = terms.account;
    this.since = terms.since;
    this.deadline = terms.deadline;
    this.rows = model.plan.batched ? (inputs[0]?.shape[0] ?? 1) : 1;
    this.asks = options.asks ?? this.rows;
    this.wanted = wantedOf(model, options.outputs);
    this.#outputs = options.outputs;
    this.#inputs = inputs;
    this.#state = options.state;
    this.#resolve = resolve;
    let bytes = 0;
    let format = '';
    for (const { datatype, shape, data } of inputs) {
      bytes += dataBytes(data);
      format += (format && '|') + formatOf(datatype, shape);
    }
    this.unitBytes = bytes;
    this.format = format;
  }

  datatype(input: number): Datatype {
    return this.#inputs[input]!.datatype;
  }

  shape(input: number, rows: number): readonly number[] {
    const { shape } = this.#inputs[input]!;
    return rows === this.rows ? shape : [rows, ...shape.slice(1)];
  }

  inputBytes(input: number): number {
    return dataBytes(this.#inputs[input]!.data);
  }

  writeInput(input: number, _from: number, _to: number, buffer: ArrayBuffer, offset: number): number {
    return writeData(buffer, offset, this.#inputs[input]!.data);
  }

  writeState(slot: number, _from: number, _to: number, values: Float32Array, at: number): void {
    const { plan } = this.model;
    if (this.#state) writeStates(plan, slot, [this.#state], 0, 1, values, at);
    else values.fill(0, at, at + this.rows * plan.slots[slot]!.size);
  }

  answered(): boolean {
    return this.#resolve === null;
  }

  answer(_from: number, _to: number, reply: Reply, row: number): void {
    if (!this.#resolve) return;
    const { model, rows } = this;
    const { plan } = model;
    const outputs: Record<string, Tensor> = {};
    try {
      for (let i = 0; i < plan.results.length; i++) {
        const tensor = reply.results[i];
        const result = plan.results[i]!;
        if (!tensor || this.#outputs?.includes(result.name) === false) continue;
        outputs[result.name] = faceTensor(
          result,
          rows === reply.rows ? tensor : rowsOf(tensor, row, row + rows),
        );
      }
    } catch (error) {
      failUnit(this, 0, 'MODEL_OUTPUT', `${model.key}: ${(error as Error).message}`);
      return;
    }
    const state = reply.slots.length > 0 && rows === 1 ? stateOf(plan, reply.slots, row) : undefined;
    const answer: TensorAnswer = {
      ok: true,
      model: model.identity,
      outputs,
      computeUs: reply.rowUs * rows,
      queueUs: Math.max(0, Math.round((this.sentAt - this.since) * 1000)),
    };
    this.#close({ answer, state });
  }

  fail(_: number, code: string, message: string): boolean {
    if (!this.#resolve) return false;
    this.#close({ answer: { ok: false, model: this.model.identity, code, message }, state: undefined });
    return true;
  }

  #close(called: Called): void {
    const resolve = this.#resolve!;
    this.#resolve = null;
    resolve(called);
  }
}
