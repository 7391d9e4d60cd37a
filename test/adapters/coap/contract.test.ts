import { CoapClient } from '../../../adapters/coap/client.ts';
import { createCoapServer } from '../../../adapters/coap/index.ts';
import type { Source } from '../../../gateway/ports/source.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { sourceContract } from '../../contracts/source.ts';
import type { RecordingIntake } from '../../support/intake.ts';
import { recordingLog } from '../../support/log.ts';
import { config, openAccess, resultFeed } from './harness.ts';

const door = (intake: RecordingIntake, port: number): Source =>
  createCoapServer({
    listen: { host: '127.0.0.1', coap: { port } },
    limits: config.limits,
    streams: config.streams,
    intake,
    access: openAccess,
    results: resultFeed(),
    clock: systemClock(),
    log: recordingLog(),
  });

const portOf = (source: Source) => Number(source.addresses[0]!.split(':').at(-1));

sourceContract('coap', {
  door: 'coap',
  refusesOversize: true,
  async create(intake) {
    const source = door(intake, 0);
    const clients: CoapClient[] = [];
    return {
      source,
      address: (n) => `s/temperature/device-${n}`,
      fits: config.limits.maxPacketBytes,
      tooLarge: config.limits.maxPacketBytes + 1,
      async sender() {
        const client = new CoapClient({
          host: '127.0.0.1',
          port: portOf(source),
          clock: systemClock(),
          log: recordingLog(),
        });
        await client.open();
        clients.push(client);
        return {
          roundTrip: () => client.ping(),
          async send(address, payload) {
            const response = await client.request({ method: 'POST', path: address, payload });
            return response.code >> 5 === 2 ? 'acknowledged' : 'refused';
          },
        };
      },
      async close() {
        for (const client of clients) await client.close();
      },
    };
  },
  async createFailing(taken, intake) {
    return door(intake, portOf(taken));
  },
});
