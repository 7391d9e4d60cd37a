import { asGatewayError, GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { TensorAnswer, TensorRequest } from '../ports/inference.ts';
import type { Tensor } from '../ports/tensor.ts';
import { type Called, type CallOptions, CallWork } from './call-work.ts';
import { checkedInputs } from './calls.ts';
import type { Model } from './model.ts';
import { roomOf } from './queues.ts';
import { joinTensors, rowsOf } from './rows.ts';
import { type Place, Sequences } from './sequences.ts';
import type { Work } from './work.ts';

/** Milliseconds for a call that names no deadline, of a model that names none. */
const DEFAULT_DEADLINE_MS = 30_000;

export interface CallersOptions {
  readonly clock: Clock;
  /** The version that answers. Throws MODEL_MISSING. */
  find(reference: string, routeKey: string | undefined): Model;
  submit(work: Work): void;
  stopping(): boolean;
}

/** Calls with tensors: checked, cut into runs the model can take, put together again; sequences in their order. */
export class Callers {
  readonly #options: CallersOptions;
  readonly #sequences: Sequences;

  constructor(options: CallersOptions) {
    this.#options = options;
    this.#sequences = new Sequences(options.clock);
  }

  /** See {@link Inference.infer}. */
  async infer(reference: string, request: TensorRequest): Promise<TensorAnswer> {
    const { find, stopping } = this.#options;
    if (stopping()) throw new GatewayError('STOPPING', 'the gateway is stopping');
    let model: Model | undefined;
    let answer: TensorAnswer;
    try {
      const place = this.#sequences.place(reference, request);
      model = place?.model ?? find(reference, request.routeKey);
      const inputs = checkedInputs(model, request.inputs);
      answer =
        place && model.info.recurrent
          ? await this.#inSequence(model, inputs, request, place)
          : await this.#call(model, inputs, request);
    } catch (error) {
      const { code, message } = asGatewayError(error);
      return { ok: false, model: model?.identity, code, message };
    }
    if (!answer.ok && answer.code === 'STOPPING') throw new GatewayError('STOPPING', answer.message);
    return answer;
  }

  async #inSequence(
    model: Model,
    inputs: readonly Tensor[],
    request: TensorRequest,
    place: Place,
  ): Promise<TensorAnswer> {
    const rows = model.plan.batched ? inputs[0]!.shape[0]! : 1;
    if (rows !== 1)
      throw new GatewayError('MODEL_SHAPE', `${model.key}: a call of a sequence has one row, got ${rows}`, {
        received: rows,
        expected: '1',
      });
    return this.#sequences.run(place, model, async (state) => this.#ask(model, inputs, request, { state }));
  }

  async #call(model: Model, inputs: readonly Tensor[], request: TensorRequest): Promise<TensorAnswer> {
    const rows = model.plan.batched ? inputs[0]!.shape[0]! : 1;
    if (rows <= roomOf(model)) return (await this.#ask(model, inputs, request, { state: undefined })).answer;
    return await this.#parts(model, inputs, rows, request);
  }

  #ask(
    model: Model,
    inputs: readonly Tensor[],
    request: TensorRequest,
    options: Pick<CallOptions, 'state' | 'asks'>,
  ): Promise<Called> {
    return new Promise((resolve) => {
      this.#options.submit(this.#work(model, inputs, request, options, resolve));
    });
  }

  #work(
    model: Model,
    inputs: readonly Tensor[],
    request: TensorRequest,
    options: Pick<CallOptions, 'state' | 'asks'>,
    resolve: (called: Called) => void,
  ): CallWork {
    const { account, priority, outputs } = request;
    const since = this.#options.clock.monotonic();
    const patience = request.deadline ?? model.bundle.manifest.limits.deadline ?? DEFAULT_DEADLINE_MS;
    const terms = { priority, account, since, deadline: since + patience };
    return new CallWork(model, inputs, { outputs, ...options }, terms, resolve);
  }

  /** More rows than one run takes: the first part finds room for all. */
  async #parts(model: Model, inputs: readonly Tensor[], rows: number, request: TensorRequest) {
    const most = roomOf(model);
    const { submit } = this.#options;
    const calls: Promise<Called>[] = [];
    for (let from = 0; from < rows; from += most) {
      const part = inputs.map((tensor) => rowsOf(tensor, from, Math.min(rows, from + most)));
      const { promise, resolve } = Promise.withResolvers<Called>();
      const work = this.#work(
        model,
        part,
        request,
        { state: undefined, asks: from === 0 ? rows : 0 },
        resolve,
      );
      submit(work);
      calls.push(promise);
      if (work.answered()) break;
    }
    return joined((await Promise.all(calls)).map(({ answer }) => answer));
  }
}

/** The answer of a call whose rows were computed in several runs: the first error, or all rows. */
function joined(parts: readonly TensorAnswer[]): TensorAnswer {
  const good: Extract<TensorAnswer, { ok: true }>[] = [];
  for (const part of parts) {
    if (!part.ok) return part;
    good.push(part);
  }
  const first = good[0]!;
  const outputs: Record<string, Tensor> = {};
  for (const name in first.outputs) outputs[name] = joinTensors(good.map((part) => part.outputs[name]!));
  return {
    ok: true,
    model: first.model,
    outputs,
    computeUs: good.reduce((sum, part) => sum + part.computeUs, 0),
    queueUs: Math.max(...good.map((part) => part.queueUs)),
  };
}
