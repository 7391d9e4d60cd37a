import type { FlowNode, NodeConfig, Red } from '../red.ts';
import { attach } from './common/attach.ts';
import { follow, type StartChoice } from './common/follow.ts';

interface AggregateInConfig extends NodeConfig {
  readonly aggregate: string;
  readonly device: string;
  readonly start: StartChoice;
  /** Field and statistic that are the payload, such as `value.mean`; empty: all. */
  readonly field: string;
}

/** Aggregates of streams into a flow, in order, off the gateway's journal. */
export default function register(red: Red): void {
  red.nodes.registerType('aimx-aggregate-in', function (this: FlowNode, config: AggregateInConfig) {
    red.nodes.createNode(this, config);
    const attached = attach(red, this, config, false);
    if (!attached) return;
    const { aggregate, device = '', start, field } = config;
    follow(this, attached, {
      kind: 'aggregates',
      id: aggregate,
      device,
      start,
      record: ({ id, stream, device: of, start: begin, end, fields, seq }) => {
        const payload = field ? member(fields, field) : fields;
        if (payload === undefined) return;
        this.send({
          topic: `${aggregate}/${of}`,
          payload,
          device: of,
          time: end,
          aggregate: { id, aggregate, stream, start: begin, end },
          seq,
        });
      },
    });
  });
}

/** `value.mean` of `{value: {mean: 21}}`; field names may hold dots themselves. */
function member(fields: unknown, path: string): unknown {
  const dot = path.lastIndexOf('.');
  const all = fields as Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  return dot < 0 ? all[path] : (all[path.slice(0, dot)]?.[path.slice(dot + 1)] ?? undefined);
}
