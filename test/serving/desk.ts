import { BILLING_MODULE, type Billing, createBilling } from '../../gateway/billing/index.ts';
import { listReceipts } from '../../gateway/billing/receipts/receipts.ts';
import { type BillingConfig, configSchema } from '../../gateway/config/schema.ts';
import { GatewayError } from '../../gateway/errors.ts';
import type { Chain } from '../../gateway/ports/chain.ts';
import type { Inference, ModelInfo, TensorAnswer, TensorRequest } from '../../gateway/ports/inference.ts';
import type { Outbound, Publisher } from '../../gateway/ports/publisher.ts';
import type { InferenceCall, InferenceReply } from '../../gateway/ports/serving.ts';
import { createServing, SERVING_MODULE, type ServingService } from '../../gateway/serving/index.ts';
import type { LedgerCounts } from '../../gateway/serving/store-module.ts';
import type { Store } from '../../gateway/store/types.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { makeStore } from '../store/support.ts';
import { recordingAlarms } from '../support/alarms.ts';
import { recordingLog } from '../support/log.ts';

const MODEL = { name: 'echo', version: '1', sha256: 'cd'.repeat(32) };
const INFO: ModelInfo = {
  ...MODEL,
  ...{ features: [], rows: undefined, recurrent: false, maxBatch: 1 },
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
  outputs: [{ name: 'x', datatype: 'FP32', shape: [-1] }],
};

/** A model that gives back what it gets, when the test says so. */
export class ScriptedInference implements Pick<Inference, 'model' | 'infer' | 'versions' | 'ready'> {
  readonly calls: { request: TensorRequest; answer: (answer?: Partial<TensorAnswer>) => void }[] = [];
  /** Answers at once. */
  immediate = true;

  model(reference: string): ModelInfo {
    if (reference === 'echo' || reference === 'echo@1') return INFO;
    throw new GatewayError('MODEL_MISSING', `no model "${reference}"`);
  }

  versions = () => ['1'];
  ready = () => true;

  infer(_reference: string, request: TensorRequest): Promise<TensorAnswer> {
    return new Promise((resolve) => {
      const answer = (given: Partial<TensorAnswer> = {}): void =>
        resolve({
          ok: true,
          model: MODEL,
          outputs: request.inputs,
          computeUs: 5,
          queueUs: 1,
          ...given,
        } as TensorAnswer);
      this.calls.push({ request, answer });
      if (this.immediate) answer();
    });
  }
}

/** A broker of others: takes messages one by one, while it is there. */
export class ScriptedPublisher implements Publisher {
  readonly sent: Outbound[] = [];
  down = false;

  async publish(messages: readonly Outbound[]): Promise<void> {
    if (this.down) throw new GatewayError('BROKER_LOST', 'not connected');
    this.sent.push(...messages);
  }
}

export interface Desk {
  readonly serving: ServingService;
  readonly inference: ScriptedInference;
  readonly publisher: ScriptedPublisher;
  readonly billing: Billing;
  readonly alarms: ReturnType<typeof recordingAlarms>;
  readonly store: Store;
  ask(body: object | string, call?: Partial<InferenceCall>): Promise<InferenceReply>;
  counts(): Promise<LedgerCounts>;
  receipts(): Promise<string[]>;
  /** Ends it as a crash would: nothing is answered any more. */
  crash(): Promise<void>;
}

/** The serving part on a real store with real billing; the model and the broker are the test's. */
export async function openDesk(
  dir: string,
  config: object = {},
  paid: { readonly config?: BillingConfig; readonly chain?: Chain; readonly anchors?: readonly Chain[] } = {},
): Promise<Desk> {
  const clock = systemClock();
  const log = recordingLog();
  const alarms = recordingAlarms();
  const { store } = makeStore(dir, { modules: [BILLING_MODULE, SERVING_MODULE] });
  const signal = new AbortController().signal;
  await store.start(signal);
  const billing = createBilling({
    config: paid.config,
    dataDir: dir,
    store,
    chain: paid.chain,
    anchors: paid.anchors ?? [],
    clock,
    log,
    alarms,
  });
  await billing.start(signal);
  const inference = new ScriptedInference();
  const publisher = new ScriptedPublisher();
  const serving = createServing({
    config: configSchema.parse({ serving: config }).serving,
    ...{
      store,
      meter: billing.meter,
      channels: billing.channels,
      publisher,
      clock,
      log,
      version: '0',
      list: () => [],
      ready: () => true,
    },
    inference: inference as unknown as Inference,
  });
  return {
    ...{ serving, inference, publisher, billing, alarms, store },
    ask: (body, call = {}) =>
      new Promise((resolve) =>
        serving.infer(
          {
            ...{ model: 'echo', account: 'consumer/c', durable: false },
            body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
            ...call,
          },
          resolve,
        ),
      ),
    counts: () => store.query<LedgerCounts>('serving.counts'),
    receipts: async () => (await listReceipts(store, { limit: 1000 })).map(({ requestId }) => requestId),
    async crash() {
      await billing.stop();
      await store.stop();
    },
  };
}

/** A request for the scripted model. */
export const request = (id: string | undefined, value: number, parameters: object = {}): object => ({
  ...(id === undefined ? {} : { id }),
  inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [value] }],
  parameters,
});
