import { randomUUID } from 'node:crypto';
import { asError, GatewayProblem } from '../gateway/errors.ts';
import type { InferAnswer } from '../gateway/oip.ts';
import { batchKey, canBatch, inputsOf, valuesOf } from '../gateway/tensors.ts';
import type { Done, FlowNode, Message, NodeConfig, Red, Send } from '../red.ts';
import { type Attached, attach, statusOf } from './common/attach.ts';
import { Batcher, type Job } from './common/batcher.ts';

interface InferConfig extends NodeConfig {
  readonly model: string;
  /** Empty: the live one. */
  readonly version: string;
  readonly over: 'mqtt' | 'http';
  /** Milliseconds. */
  readonly deadline: string;
  /** Messages in one request, at most; 1: each goes by itself. */
  readonly batch: string;
  /** Milliseconds that the first of a batch waits for others. */
  readonly wait: string;
}

/** Messages under way in one node; more are refused, lest a slow model fill the memory. */
const MAX_UNDER_WAY = 1000;

const numberOf = (value: string | undefined, otherwise: number, min: number): number => {
  const number = Number(value);
  return Number.isFinite(number) && number >= min && value !== '' && value !== undefined ? number : otherwise;
};

/** Asks a model. First output: answers; second: what could not be answered, with `msg.error`. */
export default function register(red: Red): void {
  red.nodes.registerType('aimx-infer', function (this: FlowNode, config: InferConfig) {
    red.nodes.createNode(this, config);
    const attached = attach(red, this, config, config.over !== 'http');
    if (!attached) return;
    const asking = new Asking(this, attached, config);
    this.on('input', (message, send, done) => {
      void asking.take(message, send, done);
    });
    attached.onClose(() => asking.close());
  });
}

/** One node's requests. */
class Asking {
  readonly #node: FlowNode;
  readonly #attached: Attached;
  readonly #config: InferConfig;
  readonly #batcher: Batcher;
  readonly #deadlineMs: number;
  readonly #maxBatch: number;
  #underWay = 0;

  constructor(node: FlowNode, attached: Attached, config: InferConfig) {
    this.#node = node;
    this.#attached = attached;
    this.#config = config;
    this.#deadlineMs = numberOf(config.deadline, 2000, 1);
    this.#maxBatch = Math.floor(numberOf(config.batch, 1, 1));
    this.#batcher = new Batcher(numberOf(config.wait, 5, 0), (jobs, inputs, answered) => {
      const { model, version } = this.#model(jobs[0]!.message);
      attached.client.infer(
        {
          id: jobs.length === 1 ? jobs[0]!.id : `node-red-${randomUUID()}`,
          model,
          version,
          inputs,
          parameters: jobs[0]!.parameters,
          deadlineMs: this.#deadlineMs,
        },
        config.over === 'http' ? 'http' : 'mqtt',
        answered,
      );
    });
  }

  /** Never rejects. */
  async take(message: Message, send: Send, done: Done): Promise<void> {
    const began = Date.now();
    const end = (error: Error | null, answer?: InferAnswer, rows?: InferAnswer['outputs']): void => {
      this.#underWay--;
      if (error || !answer) this.#failed(error ?? new Error('no answer'), message, send, done);
      else this.#answered(message, answer, rows ?? answer.outputs, Date.now() - began, send, done);
    };
    this.#underWay++;
    try {
      if (this.#underWay > MAX_UNDER_WAY)
        throw new GatewayProblem('QUEUE_FULL', `${MAX_UNDER_WAY} messages already wait for the model`);
      const { model, version } = this.#model(message);
      const metadata = await this.#attached.client.models.metadata(model, version);
      const inputs = inputsOf(metadata.inputs, message.payload);
      const parameters = parametersOf(message);
      const most = Math.min(this.#maxBatch, metadata.parameters?.max_batch_size ?? 1);
      // What is asked in a sequence, or with terms of its own, goes by itself.
      const alone = !canBatch(metadata.inputs) || metadata.parameters?.sequence || parameters !== NONE;
      const id = idOf(message);
      const job: Job = { id, message, inputs, parameters, rows: inputs[0]?.shape[0] ?? 1, end };
      this.#batcher.add(
        job,
        `${model}@${version} ${batchKey(inputs)}`,
        alone || 'requestId' in message ? 1 : most,
      );
    } catch (cause) {
      end(asError(cause));
    }
  }

  close(): void {
    this.#batcher.close(new GatewayProblem('CLOSED', 'the flow was stopped'));
  }

  /** @throws GatewayProblem when neither the node nor the message names a model */
  #model(message: Message): { model: string; version: string } {
    const found = this.#named(message);
    if (found.model === '') throw new GatewayProblem('NO_MODEL', 'choose a model, or name it in msg.model');
    return found;
  }

  #named({ model: named }: Message): { model: string; version: string } {
    const { model, version } = this.#config;
    if (model) return { model, version: version ?? '' };
    const [name = '', of = ''] = typeof named === 'string' ? named.split('@') : [];
    return { model: name, version: of };
  }

  #answered(
    message: Message,
    answer: InferAnswer,
    outputs: InferAnswer['outputs'],
    ms: number,
    send: Send,
    done: Done,
  ): void {
    const { id, model, version, parameters, receipt } = answer;
    message.inference = {
      id,
      model,
      version,
      sha256: parameters.model_sha256,
      receipt,
      ms,
      outputs: shapes(outputs),
    };
    message.payload = valuesOf(outputs);
    this.#attached.line.good('answered', { ms });
    send([message, null]);
    done();
  }

  /** Without anything behind the second output the error goes where Catch nodes see it. */
  #failed(error: Error, message: Message, send: Send, done: Done): void {
    this.#attached.line.bad(statusOf(error));
    // Also of an input that does not fit: it may fit the version that is live now.
    const { model, version } = this.#named(message);
    this.#attached.client.models.suspect(model, version);
    if ((this.#node.wires?.[1]?.length ?? 0) === 0) {
      done(error);
      return;
    }
    const code = error instanceof GatewayProblem ? error.code : 'INPUT';
    message.error = { code, message: error.message, source: { id: this.#node.id, type: this.#node.type } };
    send([null, message]);
    done();
  }
}

const NONE: Readonly<Record<string, unknown>> = {};

/** Parameters of the protocol for this request: priority, sequence, channel … */
function parametersOf({ parameters }: Message): Readonly<Record<string, unknown>> {
  if (typeof parameters !== 'object' || parameters === null || Array.isArray(parameters)) return NONE;
  return parameters as Readonly<Record<string, unknown>>;
}

/** The same id is answered once, however often it is asked. */
const idOf = ({ requestId }: Message): string =>
  typeof requestId === 'string' && requestId !== '' ? requestId : `node-red-${randomUUID()}`;

const shapes = (outputs: InferAnswer['outputs']): Record<string, readonly number[]> =>
  Object.fromEntries(outputs.map(({ name, shape }) => [name, shape]));
