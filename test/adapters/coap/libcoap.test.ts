import { execFile, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../support/tmp.ts';
import { until } from '../../support/until.ts';
import { openDoor } from './harness.ts';

const run = promisify(execFile);
const NAMES = ['coap-client-openssl', 'coap-client-gnutls', 'coap-client-notls', 'coap-client'];
const client = NAMES.find((name) => spawnSync(name, ['--help']).error === undefined);
if (client === undefined) console.warn('skipped: no libcoap client (apt install libcoap3-bin)');

/** The real client of Debian; -B bounds its waiting. Errors of the server come on its standard error. */
const coap = async (...args: string[]) => {
  const { stdout, stderr } = await run(client!, ['-B', '10', ...args]);
  return { stdout, stderr };
};

describe.skipIf(client === undefined)('with the client of libcoap', () => {
  test('readings by POST and PUT, confirmable and not', async () => {
    const { url, intake } = await openDoor();
    for (const args of [
      ['-m', 'post'],
      ['-m', 'put'],
      ['-m', 'post', '-N'],
    ]) {
      await coap(...args, '-t', '50', '-e', '{"value":21.5}', `${url}/s/temperature/m1`);
    }
    await until(() => intake.offered.length === 3, 'three readings');
    expect(intake.offered.map((m) => [m.contentFormat, Buffer.from(m.payload).toString()])).toEqual(
      Array(3).fill([50, '{"value":21.5}']),
    );
  });

  test('errors arrive with their diagnostic', async () => {
    const { url } = await openDoor();
    const unknown = await coap('-m', 'post', '-t', '99', '-e', '1', `${url}/s/temperature/m1`);
    expect(unknown.stderr).toMatch(/4\.15.*Content-Format 99/);
    expect((await coap(`${url}/nothing`)).stderr).toMatch(/4\.04/);
    expect((await coap(`${url}/s/temperature/m1`)).stderr).toMatch(/4\.05/);
  });

  test.each([16, 64, 512, 1024])('a body of 5000 bytes in blocks of %i', async (size) => {
    const { url, intake } = await openDoor();
    const file = join(temporaryFolder(), 'body');
    const body = randomBytes(5000);
    writeFileSync(file, body);
    await coap('-m', 'post', '-b', String(size), '-f', file, `${url}/s/temperature/m1`);
    expect(intake.offered).toHaveLength(1);
    expect(Buffer.from(intake.offered[0]!.payload).equals(body)).toBe(true);
  });

  test.each([[], ['-b', '32'], ['-b', '256']])('a large result and a large list %j', async (...args) => {
    const { url, results } = await openDoor();
    const large = JSON.stringify({ pad: 'abcdefghij'.repeat(500) });
    results.publish('p', 'd', large);
    for (let i = 0; i < 300; i += 1) results.publish('p', `device-${i}`, '{}');
    expect((await coap(...args, `${url}/r/p/d`)).stdout.trim()).toBe(large);
    const { stdout } = await coap(...args, `${url}/.well-known/core?rt=aimx.result`);
    expect(stdout.split(',<').length).toBe(301);
  });

  test('discovery with a filter', async () => {
    const { url } = await openDoor();
    const { stdout } = await coap(`${url}/.well-known/core?href=/s/p*`);
    expect(stdout.trim()).toBe(
      '</s/pack>;rt="aimx.stream";if="aimx.readings";ct=112;title="POST readings to /s/pack/{device}"',
    );
  });

  test.each([[], ['-N']])('observes a result until it deregisters %j', async (...args) => {
    const { url, results, server } = await openDoor();
    results.publish('p', 'd', '{"n":0}');
    const file = join(temporaryFolder(), 'seen');
    writeFileSync(file, '');
    const child = spawn(client!, [...args, '-B', '10', '-s', '1', '-o', file, `${url}/r/p/d`]);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    await until(() => server.stats().observers === 1, 'the registration');
    for (let n = 1; n <= 3; n += 1) {
      results.publish('p', 'd', `{"n":${n}}`);
      await until(() => readFileSync(file, 'utf8').includes(`{"n":${n}}`), `state ${n}`);
    }
    await gone;
    expect(server.stats().observers).toBe(0);
  });

  test('lost datagrams: each reading is stored once', async () => {
    const { url, intake, server } = await openDoor();
    // The client drops its first two transmissions itself, then gets through.
    await coap('-l', '1,2', '-m', 'post', '-e', '1', `${url}/s/temperature/m1`);
    expect(intake.offered).toHaveLength(1);
    expect(server.stats().pending).toBe(0);
  }, 20_000);
});
