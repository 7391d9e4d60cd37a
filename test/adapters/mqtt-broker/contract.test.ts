import { type SourceSender, sourceContract } from '../../contracts/source.ts';
import { MqttSocket } from '../../support/mqtt-socket.ts';
import { until } from '../../support/until.ts';
import { buildBroker } from './harness.ts';

const maxPacketBytes = 64 * 1024;
/** Fixed header (4) + topic length (2) + topic + identifier (2), with room for the topic. */
const overhead = 64;

for (const qos of [1, 2] as const) {
  sourceContract(`the MQTT broker with QoS ${qos}`, {
    door: 'mqtt',
    refusesOversize: true,
    async create(intake) {
      const { broker } = buildBroker({ intake, limits: { maxPacketBytes } });
      const clients: MqttSocket[] = [];
      return {
        source: broker,
        address: (n) => `plant/dev${n}/temperature`,
        fits: maxPacketBytes - overhead,
        tooLarge: maxPacketBytes + 1,
        async sender() {
          const client = await MqttSocket.connect(broker.addresses[0]!);
          clients.push(client);
          return sender(client, qos);
        },
        async close() {
          for (const client of clients) client.end();
        },
      };
    },
    async createFailing(taken) {
      const port = Number(new URL(taken.addresses[0]!).port);
      const { broker } = buildBroker({
        listen: { host: '127.0.0.1', mqtt: { port }, mqtts: undefined },
      });
      return broker;
    },
  });
}

function sender(client: MqttSocket, qos: 1 | 2): SourceSender {
  let packet = 0;
  return {
    async send(address, payload) {
      const id = ++packet;
      client.publish(address, Buffer.from(payload), qos, id);
      const answer = qos === 1 ? 'puback' : 'pubrec';
      const answered = () => client.of(answer).some((found) => found.messageId === id);
      await until(() => answered() || client.closed, `${answer} ${id}`);
      if (!answered()) return 'refused';
      if (qos === 2) {
        client.send({ cmd: 'pubrel', messageId: id });
        await until(
          () => client.closed || client.of('pubcomp').some((found) => found.messageId === id),
          'PUBCOMP',
        );
      }
      return 'acknowledged';
    },
    roundTrip: () => client.ping(),
  };
}
