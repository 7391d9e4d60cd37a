import { expect, test } from 'vitest';
import { GatewayError } from '../../../gateway/errors.ts';
import type { Disposition, Intake } from '../../../gateway/ports/source.ts';
import { until } from '../../support/until.ts';
import { startBroker } from './harness.ts';

test('after a refusal nothing more of the connection is taken, and what came before is still acknowledged', async () => {
  const offered: string[] = [];
  let settleFirst: (disposition: Disposition) => void = () => undefined;
  const intake: Intake = {
    routes: () => true,
    offer(message, done) {
      const text = Buffer.from(message.payload).toString();
      offered.push(text);
      if (text === '1') settleFirst = (disposition) => done(disposition, message);
      // The store has room again right after the second one.
      else if (text === '2')
        done({ kind: 'refused', error: new GatewayError('STORE_FULL', 'full') }, message);
      else done({ kind: 'stored', readings: 1 }, message);
    },
  };
  const { connect, broker } = await startBroker({ intake });
  const client = await connect();
  for (const id of [1, 2, 3]) client.publish('a/b', String(id), 1, id);
  client.publish('a/b', '4', 0);
  await until(() => broker.stats().received === 4, 'four messages');
  expect(offered).toEqual(['1', '2']);
  expect(client.received.map(({ cmd }) => cmd)).toEqual(['connack']);
  settleFirst({ kind: 'stored', readings: 1 });
  await until(() => client.closed, 'the end of the connection');
  expect(client.of('puback').map(({ messageId }) => messageId)).toEqual([1]);
  expect(broker.stats()).toMatchObject({ stored: 1, refused: 3, pending: 0 });
  const again = await connect();
  again.publish('a/b', '5', 1, 9);
  await again.expect('puback', 9);
});
