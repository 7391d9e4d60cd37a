import type { TypedDataDomain } from 'ethers';
import { describe, expect, test } from 'vitest';
import { createEvmBenchmarks } from '../../adapters/evm/benchmarks.ts';
import { seededRandom } from '../../gateway/benchmark/random.ts';
import { REGISTRY_TYPES, signRegistryReport } from '../../gateway/benchmark/registry.ts';
import { fromHex, keccak, toHex } from '../../gateway/billing/formats/bytes.ts';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';
import type { BenchmarkReport, BenchmarkRow } from '../../gateway/ports/benchmarks.ts';
import { abiOf, sharedChain, type TestChain } from './chain.ts';
import { DAY, word } from './channel.ts';

const SEED = Number(process.env.AIMX_SEED ?? 20_261_122);
/** `AIMX_STEPS=2000` for a long look. */
const STEPS = Number(process.env.AIMX_STEPS ?? 45);
const deviceKey = (n: number) => deviceSigner(keccak(Buffer.from(`bench device ${n}`)));
const relayer = deviceSigner(fromHex(toHex(Buffer.from('relay'.padEnd(32, '#')))));

async function stage(chain: TestChain) {
  const relay = await chain.account('relay');
  const contract = await chain.deploy('BenchmarkRegistry', relay);
  const address = (await contract.getAddress()).toLowerCase();
  const { rpcUrl, chainId } = chain.devchain;
  const registry = createEvmBenchmarks({ rpcUrl, chainId, address });
  const now = await chain.now();
  const domain: TypedDataDomain = {
    name: 'AIMX Benchmark Registry',
    version: '1',
    chainId,
    verifyingContract: address,
  };
  const publish = async (report: BenchmarkReport, signer = deviceKey(0)) => {
    const answer = await registry.publish(report, signRegistryReport(registry, report, signer), relayer);
    return answer.ok ? 'taken' : (/(\w+)\(/.exec(answer.reason)?.[1] ?? answer.reason);
  };
  const all = async () => {
    const answer = await registry.results(() => true);
    if (!answer.ok) throw new Error(answer.reason);
    return answer.value;
  };
  return { chain, relay, registry, domain, now, publish, all };
}

const row = (change: Partial<BenchmarkRow> = {}): BenchmarkRow => ({
  modelSha256: word('model'),
  runtime: 'onnx 1.30',
  scenario: 'Offline',
  metric: 'samples/s',
  score: 1_234_500_000n,
  ...change,
});

const report = (measuredAt: number, change: Partial<BenchmarkReport> = {}): BenchmarkReport => ({
  device: deviceKey(0).address,
  reportHash: word('report'),
  measuredAt,
  board: 'Raspberry Pi 5 Model B',
  rows: [row(), row({ scenario: 'SingleStream', metric: 'p90 ms', score: 2_100_000n })],
  ...change,
});

describe.each(['anvil', 'ethereumjs'] as const)('the benchmark registry on %s', (engine) => {
  const chain = sharedChain(engine);

  test('keeps the newest result of each device, for anyone to compare', async () => {
    const s = await stage(chain());
    const first = report(s.now);
    const theirs = await s.relay.signTypedData(
      s.domain,
      { Report: [...REGISTRY_TYPES.Report], Row: [...REGISTRY_TYPES.Row] },
      first,
    );
    expect(toHex(signRegistryReport(s.registry, first, relayer))).toBe(theirs);
    expect(await s.publish(first)).toBe('taken');
    const other = report(s.now - 5, {
      device: deviceKey(1).address,
      board: 'ZimaBoard 832',
      rows: [row({ score: 9n })],
    });
    expect(await s.publish(other, deviceKey(1))).toBe('taken');
    expect(await s.publish({ ...first, measuredAt: s.now + 1, rows: [row({ score: 7n })] })).toBe('taken');
    const of = async (scenario: string) => {
      const answer = await s.registry.results((subject) => subject.scenario === scenario);
      return answer.ok ? answer.value : answer;
    };
    expect(await of('Offline')).toEqual([
      {
        ...row({ score: 7n }),
        device: first.device,
        reportHash: first.reportHash,
        measuredAt: s.now + 1,
        board: first.board,
      },
      {
        ...row({ score: 9n }),
        device: other.device,
        reportHash: other.reportHash,
        measuredAt: s.now - 5,
        board: other.board,
      },
    ]);
    expect(await of('SingleStream')).toMatchObject([{ score: 2_100_000n, device: first.device }]);
    s.registry.close();
  });

  test('tells an indexer everything in events', async () => {
    const s = await stage(chain());
    const sent = report(s.now);
    const answer = await s.registry.publish(
      sent,
      signRegistryReport(s.registry, sent, deviceKey(0)),
      relayer,
    );
    const receipt = await s.chain.provider.getTransactionReceipt(answer.ok ? answer.value.transaction : '');
    const events = receipt!.logs.map((log) => abiOf('BenchmarkRegistry').parseLog(log)!.args.toObject());
    expect(events).toMatchObject(
      sent.rows.map(({ scenario, metric, score, modelSha256, runtime }) => ({
        ...{ scenario, metric, score, modelSha256, runtime },
        board: sent.board,
        reportHash: sent.reportHash,
        measuredAt: BigInt(sent.measuredAt),
      })),
    );
    s.registry.close();
  });

  test('takes no report that its device has not signed, that is older, from the future, or too large', async () => {
    const s = await stage(chain());
    const good = report(s.now);
    expect(await s.publish(good, deviceKey(1))).toBe('WrongSigner');
    const elsewhere = signRegistryReport({ ...s.registry, chainId: 1 }, good, deviceKey(0));
    expect((await s.registry.publish(good, elsewhere, relayer)).ok).toBe(false);
    const signature = signRegistryReport(s.registry, good, deviceKey(0));
    for (const change of [
      { measuredAt: s.now - 1 },
      { board: 'a better one' },
      { rows: [row({ score: 99n })] },
      { rows: [...good.rows].reverse() },
    ]) {
      const answer = await s.registry.publish({ ...good, ...change }, signature, relayer);
      expect(answer.ok ? 'taken' : answer.reason).toContain('WrongSigner');
    }
    expect(await s.publish(good)).toBe('taken');
    expect(await s.publish(good)).toBe('StaleResult');
    expect(await s.publish(report(s.now - 1))).toBe('StaleResult');
    expect(await s.publish(report(s.now + 2 * DAY))).toBe('WrongTime');
    expect(await s.publish(report(s.now + 1, { rows: [] }))).toBe('WrongReport');
    expect(await s.publish(report(s.now + 1, { rows: [row({ runtime: '' })] }))).toBe('WrongReport');
    expect(await s.publish(report(s.now + 1, { board: 'x'.repeat(65) }))).toBe('WrongReport');
    const many = Array.from({ length: 65 }, (_, i) => row({ runtime: `r${i}` }));
    expect(await s.publish(report(s.now + 1, { rows: many }))).toBe('WrongReport');
    expect(await s.all()).toHaveLength(2);
    s.registry.close();
  });

  test(`is what a plain table would be, whatever happens (seed ${SEED})`, async () => {
    const s = await stage(chain());
    const random = seededRandom(SEED);
    const pick = (n: number): number => Math.floor(random() * n);
    const table = new Map<string, object>();
    const outcomes = new Set<string>();
    for (let step = 0; step < (engine === 'anvil' ? STEPS : STEPS / 3); step++) {
      const n = pick(4);
      const rows = Array.from({ length: 1 + pick(4) }, () =>
        row({ runtime: `r${pick(3)}`, modelSha256: word(`m${pick(2)}`), score: BigInt(pick(1e9)) }),
      );
      const sent = report(s.now - 100 + pick(60), { device: deviceKey(n).address, rows });
      const keys = rows.map((r) => `${n} ${r.runtime} ${r.modelSha256}`);
      const time = (key: string): number => (table.get(key) as BenchmarkReport | undefined)?.measuredAt ?? 0;
      const good = new Set(keys).size === keys.length && keys.every((key) => time(key) < sent.measuredAt);
      const outcome = await s.publish(sent, deviceKey(n));
      outcomes.add(outcome);
      expect(outcome === 'taken', `step ${step}: ${outcome}`).toBe(good);
      const { device, reportHash, measuredAt, board } = sent;
      if (good)
        for (const [i, r] of rows.entries())
          table.set(keys[i]!, { ...r, device, reportHash, measuredAt, board });
      const found = await s.all();
      expect(found).toHaveLength(table.size);
      expect(found, `step ${step}`).toEqual(expect.arrayContaining([...table.values()]));
    }
    expect(outcomes).toEqual(new Set(['taken', 'StaleResult']));
    s.registry.close();
  }, 1_000_000);
});
