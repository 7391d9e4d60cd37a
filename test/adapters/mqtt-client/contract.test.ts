import type { Packet } from 'mqtt-packet';
import { sourceContract } from '../../contracts/source.ts';
import { ScriptedBroker } from '../../support/scripted-broker.ts';
import { until } from '../../support/until.ts';
import { buildClient } from './harness.ts';

const maxPacketBytes = 64 * 1024;

for (const protocol of ['3.1.1', '5'] as const) {
  sourceContract(`the external broker over MQTT ${protocol}`, {
    door: 'mqtt',
    refusesOversize: false,
    async create(intake) {
      const broker = new ScriptedBroker(protocol === '5' ? 5 : 4);
      const url = await broker.start();
      const { client } = buildClient(url, intake, { broker: { protocol }, limits: { maxPacketBytes } });
      let packetId = 0;
      return {
        source: client,
        address: (n) => `plant/dev${n}/temperature`,
        fits: maxPacketBytes - 64,
        tooLarge: maxPacketBytes + 1,
        async sender() {
          const gateway = await broker.client();
          const answered = (cmd: string, id: number) =>
            gateway.received.some((packet) => packet.cmd === cmd && packet.messageId === id);
          return {
            async send(topic, payload) {
              const messageId = ++packetId;
              const publish = { cmd: 'publish', topic, payload: Buffer.from(payload), qos: 1, messageId };
              gateway.send({ ...publish, dup: false, retain: false } as Packet);
              await until(() => answered('puback', messageId) || gateway.closed, `PUBACK ${messageId}`);
              return answered('puback', messageId) ? 'acknowledged' : 'refused';
            },
            async roundTrip() {
              const messageId = 60_000 + ++packetId;
              gateway.send({ cmd: 'pubrel', messageId, reasonCode: 0 } as Packet);
              await until(() => answered('pubcomp', messageId), 'PUBCOMP');
            },
          };
        },
        close: () => broker.stop(),
      };
    },
  });
}
