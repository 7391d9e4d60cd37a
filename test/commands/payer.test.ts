import { chmodSync, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { toHex } from '../../gateway/billing/formats/bytes.ts';
import { runCli } from '../../gateway/commands/cli.ts';
import { refuse } from '../../gateway/payer/books/channels.ts';
import { CHANNEL } from '../payer/seller.ts';
import { openBooks } from '../payer/setting.ts';
import { recordingTerminal } from '../support/terminal.ts';
import { temporaryFolder } from '../support/tmp.ts';

async function run(dir: string, ...words: string[]) {
  const terminal = recordingTerminal(dir);
  const code = await runCli(['payer', ...words, '--dir', dir], terminal);
  return { code, out: terminal.out(), err: terminal.err() };
}

const json = async (dir: string, ...words: string[]) => {
  const { code, out } = await run(dir, ...words, '--json');
  return { code, data: JSON.parse(out) as Record<string, unknown> };
};

test('init makes two keys that only their owner may read, and keeps them', async () => {
  const dir = join(temporaryFolder(), 'payer');
  const first = await json(dir, 'init');
  expect(first).toMatchObject({ code: 0, data: { wallet: expect.stringMatching(/^0x[0-9a-f]{40}$/) } });
  expect(first.data.wallet).not.toBe(first.data.session);
  for (const file of ['wallet.json', 'session.json', 'passphrase'])
    expect(statSync(join(dir, 'keys', file)).mode & 0o777).toBe(0o400);
  expect((await json(dir, 'init')).data).toEqual(first.data);
  chmodSync(join(dir, 'keys', 'wallet.json'), 0o644);
  expect(await json(dir, 'init')).toMatchObject({ code: 1, data: { error: { code: 'KEYSTORE_MODE' } } });
});

test('limits are set, shown and taken away; nonsense is wrong usage', async () => {
  const dir = temporaryFolder();
  const set = [
    '--per-hour',
    '1.5',
    '--total',
    '20',
    '--for-model',
    'room-comfort=0.25',
    '--for-gateway',
    `0x${'AB'.repeat(20)}=3`,
  ];
  expect(await json(dir, 'limits', ...set)).toMatchObject({ code: 0 });
  await json(dir, 'limits', '--total', 'none');
  const { data } = await json(dir, 'limits');
  expect(data.limits).toEqual([
    { scope: 'gateway', name: `0x${'ab'.repeat(20)}`, amount: '3' },
    { scope: 'hour', name: '', amount: '1.5' },
    { scope: 'model', name: 'room-comfort', amount: '0.25' },
  ]);
  for (const words of [
    ['limits', '--total', 'much'],
    ['limits', '--for-model', '5'],
    ['run'],
    ['open'],
    ['nothing'],
  ])
    expect(await json(dir, ...words)).toMatchObject({ code: 2, data: { error: { code: 'USAGE' } } });
  expect(await json(dir, 'thaw', '5')).toMatchObject({ code: 1, data: { error: { code: 'PAYER_CHANNEL' } } });
});

test('status shows a channel that was stopped, and resume lets it go on', async () => {
  const dir = temporaryFolder();
  expect((await run(dir, 'status')).out).toContain('No channels yet');
  const books = openBooks(dir);
  refuse(books, CHANNEL, {
    code: 'amount',
    message: 'the tariff asks for less',
    seq: 7,
    at: 1_800_000_000_000,
  });
  books.close();
  const stopped = await run(dir, 'status', toHex(CHANNEL).slice(0, 8));
  expect(stopped).toMatchObject({
    code: 1,
    out: expect.stringContaining('STOPPED   the tariff asks for less'),
  });
  expect(await run(dir, 'status', '0xffff')).toMatchObject({
    code: 1,
    err: expect.stringContaining('PAYER_CHANNEL'),
  });
  expect(await json(dir, 'resume')).toMatchObject({ code: 0, data: { was: { seq: 7 } } });
  expect(await json(dir, 'status')).toMatchObject({
    code: 0,
    data: { channels: [{ receipts: 0, refusal: null }] },
  });
  expect(existsSync(join(dir, 'payer.db'))).toBe(true);
});
