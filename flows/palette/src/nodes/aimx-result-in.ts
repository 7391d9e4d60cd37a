import { deviceIn, filterOf } from '../gateway/topics.ts';
import type { FlowNode, NodeConfig, Red } from '../red.ts';
import { attach } from './common/attach.ts';
import { follow, type StartChoice } from './common/follow.ts';
import { fromPayload, Seen } from './common/payload.ts';

interface ResultInConfig extends NodeConfig {
  /** Empty: of all pipelines that publish to the usual topic. */
  readonly pipeline: string;
  readonly device: string;
  /** `published`: over MQTT, what the pipeline publishes; `journal`: all of its results, in order. */
  readonly source: 'published' | 'journal';
  readonly start: StartChoice;
  /** Template of the topic where the pipeline has its own. */
  readonly topic: string;
}

/** The document that a pipeline makes of a window. */
interface ResultDocument {
  readonly id: string;
  readonly pipeline: string;
  readonly device: string;
  readonly time: number;
  readonly model: object;
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** Results of pipelines into a flow, each once. */
export default function register(red: Red): void {
  red.nodes.registerType('aimx-result-in', function (this: FlowNode, config: ResultInConfig) {
    red.nodes.createNode(this, config);
    const journal = config.source === 'journal';
    const attached = attach(red, this, config, !journal);
    if (!attached) return;
    const seen = new Seen();
    const emit = ({ id, pipeline, device, time, model, outputs }: ResultDocument): void => {
      if (seen.has(id)) return;
      const topic = `${pipeline}/${device}`;
      this.send({ topic, payload: outputs, device, time, result: { id, pipeline, model } });
    };
    const { pipeline, device = '', start } = config;
    if (journal) {
      const record = (one: unknown): void => emit(one as ResultDocument);
      follow(this, attached, { kind: 'results', id: pipeline, device, start, record });
      return;
    }
    const template = config.topic || `aimx/result/${pipeline || '{pipeline}'}/{device}`;
    const { client, line, onClose } = attached;
    const message = ({ topic, payload }: { topic: string; payload: Buffer }): void => {
      const document = fromPayload(payload) as ResultDocument | null;
      if (isResult(document)) emit(document);
      else this.warn(`${topic} (${deviceIn(template, topic) ?? '?'}) is no result of a gateway`);
    };
    const refused = (): void => line.bad('forbidden');
    onClose(client.link.subscribe(filterOf(template, device), { qos: 1 }, { message, refused }));
  });
}

const isResult = (value: ResultDocument | null): value is ResultDocument =>
  typeof value === 'object' &&
  value !== null &&
  typeof value.id === 'string' &&
  typeof value.outputs === 'object';
