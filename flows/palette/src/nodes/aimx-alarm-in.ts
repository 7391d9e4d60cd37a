import type { FlowNode, NodeConfig, Red } from '../red.ts';
import { attach } from './common/attach.ts';
import { fromPayload, Seen } from './common/payload.ts';

interface AlarmInConfig extends NodeConfig {
  /** Empty: all kinds. */
  readonly kind: string;
  /** The least that is told. */
  readonly severity: 'info' | 'warning' | 'critical';
  /** Whether alarms that hold when the flow starts are told too. */
  readonly current: boolean;
}

interface AlarmDocument {
  readonly id: string;
  readonly kind: string;
  readonly time: number;
  readonly state: 'raised' | 'cleared';
  readonly severity?: string;
}

const RANK: Readonly<Record<string, number>> = { info: 0, warning: 1, critical: 2 };

/** Alarms of the gateway, raised and cleared, with what to do. */
export default function register(red: Red): void {
  red.nodes.registerType('aimx-alarm-in', function (this: FlowNode, config: AlarmInConfig) {
    red.nodes.createNode(this, config);
    const attached = attach(red, this, config, true);
    if (!attached) return;
    const { client, line, onClose } = attached;
    const seen = new Seen();
    /** Kinds that were told as raised: their end is told too, whatever its severity. */
    const told = new Set<string>();
    const least = RANK[config.severity] ?? 0;
    const take = (alarm: AlarmDocument, retained: boolean): void => {
      const raised = alarm.state === 'raised';
      if (seen.has(alarm.id) || (retained && !(config.current && raised))) return;
      if (raised ? (RANK[alarm.severity ?? ''] ?? 0) < least : !told.delete(alarm.kind) && least > 0) return;
      if (raised) told.add(alarm.kind);
      this.send({ topic: alarm.kind, payload: alarm, time: alarm.time });
    };
    onClose(
      client.link.subscribe(
        `aimx/alarm/${config.kind || '#'}`,
        { qos: 1, retained: true },
        {
          message: ({ payload, retain }) => {
            const alarm = fromPayload(payload) as AlarmDocument | null;
            if (typeof alarm === 'object' && alarm !== null && typeof alarm.id === 'string')
              take(alarm, retain);
          },
          refused: () => line.bad('forbidden'),
        },
      ),
    );
  });
}
