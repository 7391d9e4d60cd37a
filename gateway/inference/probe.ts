import { GatewayError } from '../errors.ts';
import type { BatchAnswer, ModelState, TensorRequest } from '../ports/inference.ts';
import type { Tensor } from '../ports/tensor.ts';
import { batchBytes, encodeBatch, readReply } from './batch.ts';
import { type Called, CallWork } from './call-work.ts';
import { checkedInputs } from './calls.ts';
import { FAILED } from './frames.ts';
import { type HostProcess, hostError } from './host-process.ts';
import type { Model } from './model.ts';
import { WindowWork } from './window-work.ts';
import type { Terms, Work } from './work.ts';

/** Runs on a host that does not serve yet, such as golden samples. */

const TERMS: Terms = {
  priority: 'pipeline',
  account: 'golden',
  since: 0,
  deadline: Number.POSITIVE_INFINITY,
};

/** Runs one window. Rejects with the host's coded error, or MODEL_HOST when it ends. */
export function probeWindow(
  host: HostProcess,
  model: Model,
  window: { readonly values: Float64Array; readonly rows: number; readonly columns: number },
  state: ModelState | undefined,
): Promise<BatchAnswer> {
  const { values, rows, columns } = window;
  const batch = { rows, columns, windows: [values], states: [state] };
  return probe(host, (resolve) => new WindowWork(model, batch, TERMS, resolve));
}

/** Runs one call with tensors. Rejects as {@link probeWindow}, and with MODEL_SHAPE when it does not fit. */
export async function probeTensors(
  host: HostProcess,
  model: Model,
  inputs: TensorRequest['inputs'],
  state: ModelState | undefined,
): Promise<{ outputs: Readonly<Record<string, Tensor>>; state: ModelState | undefined }> {
  const options = { outputs: undefined, state };
  const called = await probe<Called>(
    host,
    (resolve) => new CallWork(model, checkedInputs(model, inputs), options, TERMS, resolve),
  );
  if (!called.answer.ok) throw new GatewayError('MODEL_OUTPUT', called.answer.message);
  return { outputs: called.answer.outputs, state: called.state };
}

function probe<Answer>(
  host: HostProcess,
  create: (resolve: (answer: Answer) => void) => Work,
): Promise<Answer> {
  return new Promise((resolve, reject: (error: GatewayError) => void) => {
    const work = create(resolve);
    if (!host.alive) throw new GatewayError('MODEL_HOST', 'the model host has ended');
    const { model } = work;
    const segments = [{ work, from: 0, to: 1 }];
    const id = host.nextId();
    const place = host.reserve(batchBytes(model, segments), {
      id,
      limitMs: model.bundle.manifest.limits.maxRun,
      onReply: (header, frame) => {
        if (header.status === FAILED) reject(hostError(frame));
        else work.answer(0, 1, readReply(model.plan, header, frame), 0);
      },
      onLost: reject,
    });
    encodeBatch(model, id, segments, place);
    host.flush();
  });
}
