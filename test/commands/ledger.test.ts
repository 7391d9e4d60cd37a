import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { startDevChain } from '../../adapters/devchain/index.ts';
import { BILLING_MODULE } from '../../gateway/billing/index.ts';
import { createKeystore, openKeystore } from '../../gateway/billing/keys/keystore.ts';
import { runCli } from '../../gateway/commands/cli.ts';
import { makeStore } from '../store/support.ts';
import { recordingLog } from '../support/log.ts';
import { recordingTerminal } from '../support/terminal.ts';
import { temporaryFolder } from '../support/tmp.ts';

async function run(folder: string, ...argv: string[]) {
  const terminal = recordingTerminal(folder);
  return { code: await runCli(argv, terminal), out: terminal.out(), err: terminal.err() };
}

it('quotes by the tariff of the configuration, tiers and all', async () => {
  const folder = temporaryFolder();
  const tariff = {
    version: 1,
    name: 't',
    prices: { inference: [{ upTo: 10, price: '5' }, { price: '3' }], compute_us: '1' },
  };
  writeFileSync(join(folder, 'tariff.json'), JSON.stringify(tariff));
  writeFileSync(join(folder, 'gateway.yaml'), 'billing: { tariff: ./tariff.json }\n');
  const quoted = await run(
    folder,
    'ledger',
    'quote',
    'm',
    '--count',
    '12',
    '--use',
    'compute_us=2',
    '--json',
  );
  expect(JSON.parse(quoted.out)).toMatchObject({
    count: 12,
    first: '0.000000000000000007',
    last: '0.000000000000000005',
    total: '0.00000000000000008',
  });
  for (const wrong of [
    ['--count', '0'],
    ['--use', 'minutes=1'],
    ['--use', 'token=x'],
  ])
    expect(await run(folder, 'ledger', 'quote', 'm', ...wrong)).toMatchObject({ code: 2 });
});

it('signs a rate, prices in a currency by it, and quotes a rented share', async () => {
  const folder = temporaryFolder();
  const paths = await createKeystore(join(folder, 'data', 'keys'));
  const { address } = await openKeystore(paths);
  const tariff = {
    version: 1,
    name: 'euro',
    prices: { inference: '4000000000000000', rent_s: '1000000000000000' },
    currency: { code: 'EUR', signer: address },
  };
  writeFileSync(join(folder, 'tariff.json'), JSON.stringify(tariff));
  const config = 'billing: { tariff: ./tariff.json, rate: ./rate.json }\n';
  writeFileSync(join(folder, 'gateway.yaml'), config);
  const quote = (...argv: string[]) => run(folder, 'ledger', 'quote', ...argv, '--json');
  expect(await quote('m')).toMatchObject({ code: 1, out: expect.stringContaining('RATE_INVALID') });
  const signed = await run(folder, 'ledger', 'rate', 'EUR', '12.5', '--for', '2h', '--source', 'a bank');
  expect(signed).toMatchObject({ code: 0, out: expect.stringContaining('1 EUR = 12.5 AIMX') });
  const quoted = await quote('m', '--count', '10');
  expect(JSON.parse(quoted.out)).toMatchObject({ total: '0.5', currency: 'EUR', rate: '12.5' });
  const rent = await quote('--rent', '25%', '--for', '8h');
  expect(JSON.parse(rent.out)).toMatchObject({ rent: 25, seconds: 7200, total: '90' });
  expect((await run(folder, 'ledger', 'quote', '--rent', '50', '--for', '1h')).out).toContain('22.5 AIMX');
  for (const wrong of [
    ['quote', '--rent', '101'],
    ['quote', '--rent', '5', '--for', 'ever'],
    ['rate', 'EUR'],
    ['rate', 'euro', '5'],
    ['rate', 'EUR', '0'],
    ['rate', 'EUR', '5', '--for', '8d'],
  ])
    expect(await run(folder, 'ledger', ...wrong)).toMatchObject({ code: 2 });
});

it('deploys token and ledger with the device key, and says how the books stand', async () => {
  const folder = temporaryFolder();
  const chain = await startDevChain({ dir: join(folder, 'chain'), port: 0, log: recordingLog() });
  try {
    const paths = await createKeystore(join(folder, 'keys'));
    const settings = { rpcUrl: chain.rpcUrl, chainId: chain.chainId, ...paths };
    writeFileSync(join(folder, 'gateway.yaml'), JSON.stringify({ billing: { chain: settings } }));
    const poor = await run(folder, 'ledger', 'deploy');
    expect(poor).toMatchObject({ code: 1, err: expect.stringContaining('CHAIN_DEPLOY') });
    await chain.fund((await openKeystore(paths)).address);
    const planned = JSON.parse((await run(folder, 'ledger', 'deploy', '--plan', '--json')).out);
    const deployed = JSON.parse((await run(folder, 'ledger', 'deploy', '--json')).out);
    expect(deployed).toEqual(planned);
    const { token, ...rest } = chain.addresses;
    expect(deployed).toEqual({ ...rest, token: expect.stringMatching(/^0x[0-9a-f]{40}$/) });
    expect(deployed.token).not.toBe(token);
    expect(await run(folder, 'ledger', 'status')).toMatchObject({ code: 1 });

    const { store } = makeStore(join(folder, 'data'), { modules: [BILLING_MODULE] });
    await store.start(AbortSignal.timeout(10_000));
    await store.stop();
    const { address: before } = await openKeystore(paths);
    const rotated = JSON.parse((await run(folder, 'ledger', 'keys', 'rotate', '--json')).out);
    expect(rotated).toMatchObject({ before, after: (await openKeystore(paths)).address, restart: false });
    expect(rotated.after).not.toBe(before);
    expect(statSync(rotated.kept).mode & 0o777).toBe(0o400);
    expect(await run(folder, 'ledger', 'withdraw')).toMatchObject({ code: 2 });
    const withdraw = async () =>
      JSON.parse((await run(folder, 'ledger', 'withdraw', '--to', rotated.after, '--json')).out);
    expect(await withdraw()).toMatchObject([{ device: before, left: null }]);
    expect(await withdraw()).toMatchObject([{ coins: '0', left: 'too little for the fee' }]);
    expect(await run(folder, 'ledger', 'post')).toMatchObject({
      code: 1,
      err: expect.stringContaining('GATEWAY_DOWN'),
    });
  } finally {
    await chain.stop();
  }
});
