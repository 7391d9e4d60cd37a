/** Flows that misbehave, each in its way; and one that does not. */

export type Attack = 'loop' | 'leak' | 'buffers' | 'throw' | 'reject' | 'flood';

/** Whether the flows must be replaced by the good ones: the others are only errors of a node, or traffic. */
export const FALLS_BACK: Readonly<Record<Attack, boolean>> = {
  loop: true,
  leak: true,
  buffers: true,
  throw: false,
  reject: true,
  flood: false,
};

/** Bodies of the function node `culprit`, called ten times a second. */
const CODE: Readonly<Record<Attack | 'good', string>> = {
  good: 'msg.payload = Date.now(); return msg;',
  // Not in the body itself, which Node-RED would cut off after some seconds.
  loop: 'setTimeout(() => { for (;;); }, 0); return msg;',
  leak: 'const kept = context.get("kept") || []; for (let i = 0; i < 3e5; i++) kept.push({ a: [i] }); context.set("kept", kept); return msg;',
  buffers:
    'const kept = context.get("kept") || []; for (let i = 0; i < 32; i++) kept.push(Buffer.alloc(1 << 20, 1)); context.set("kept", kept); return msg;',
  throw: 'setTimeout(() => { throw new Error("later"); }, 1); throw new Error("now");',
  reject: 'Promise.reject(new Error("nobody listens")); return msg;',
  flood:
    'const more = () => { for (let i = 0; i < 2000; i++) node.send({ payload: "x".repeat(200) }); setImmediate(more); }; if (!context.get("on")) { context.set("on", true); more(); }',
};

/** One tab: a tick ten times a second, the function, and the broker behind it. */
export const flowsOf = (kind: Attack | 'good', mqttPort: number): object[] => [
  { id: 'tab', type: 'tab', label: 'Attack' },
  onTab('tick', 'inject', 100, {
    ...{ props: [{ p: 'payload' }], payload: '', payloadType: 'date' },
    ...{ repeat: '0.1', once: true, onceDelay: '0.1', wires: [['culprit']] },
  }),
  onTab('culprit', 'function', 300, { name: kind, func: CODE[kind], outputs: 1, wires: [['out']] }),
  onTab('out', 'mqtt out', 500, { topic: 'flows/out', qos: '0', retain: '', broker: 'mq', wires: [] }),
  {
    id: 'mq',
    type: 'mqtt-broker',
    broker: '127.0.0.1',
    port: String(mqttPort),
    clientid: '',
    keepalive: '60',
  },
];

/** What has no place on a tab is configuration to Node-RED. */
const onTab = (id: string, type: string, x: number, more: object): object => ({
  ...{ id, type, z: 'tab', x, y: 100 },
  ...more,
});
