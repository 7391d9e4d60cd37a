import { verifyMessage } from 'ethers';
import { expect, it } from 'vitest';
import { compareReports } from '../../gateway/benchmark/compare.ts';
import { reportPage } from '../../gateway/benchmark/page.ts';
import { parseReport, type Report } from '../../gateway/benchmark/report.ts';
import { checkSignature, reportHash, signReport } from '../../gateway/benchmark/signature.ts';
import { deviceSigner } from '../../gateway/billing/keys/device-key.ts';

const scenario = (name: 'SingleStream' | 'Offline', p90: number, throughput: number) => ({
  scenario: name,
  queries: 10,
  samples: 10,
  failed: 0,
  seconds: 1,
  latency: { mean: p90, p50: p90, p90, p99: p90, max: p90, curve: Array.from({ length: 22 }, () => p90) },
  throughput,
});

const report = (p90: number, throughput: number, name = 'm'): Report => ({
  format: 'aimx-bench/1',
  createdAt: '2026-01-02T03:04:05.000Z',
  gateway: '0.1.0',
  machine: {
    board: 'Board <script>',
    cpu: 'cpu',
    cores: 2,
    memoryBytes: 2 ** 30,
    system: 's',
    node: 'v24',
    governor: 'unknown',
    load: 0,
  },
  settings: { seconds: 1, seed: 1, latencyBoundMs: 20, multiStreamSamples: 8 },
  models: [
    {
      model: { name, version: '1', sha256: 'ab'.repeat(32) },
      runtime: 'onnx',
      loadMs: 12,
      inputs: 'golden',
      accuracy: { samples: 2, right: 2 },
      scenarios: [scenario('SingleStream', p90, 1 / p90), scenario('Offline', p90, throughput)],
    },
  ],
});

const signer = deviceSigner(new Uint8Array(32).fill(7));

it('signs so that any wallet library can check, and notices every change', () => {
  const signed = signReport(report(2, 100), signer);
  expect(verifyMessage(reportHash(signed), signed.signature!.value).toLowerCase()).toBe(signer.address);
  expect(checkSignature(signed)).toBe('valid');
  expect(checkSignature(parseReport(JSON.stringify(signed), 'a.json'))).toBe('valid');
  const better = structuredClone(signed);
  better.models[0]!.scenarios[0]!.latency.p90 = 1;
  expect(checkSignature(better)).toBe('invalid');
  expect(checkSignature(report(2, 100))).toBe('unsigned');
});

it('says how many times better each figure is, by what its scenario is judged by', () => {
  const [latency, throughput] = compareReports(report(2, 100), report(1, 400));
  expect(latency).toMatchObject({ scenario: 'SingleStream', metric: 'p90 ms', better: 2, sameModel: true });
  expect(throughput).toMatchObject({ scenario: 'Offline', metric: 'samples/s', better: 4 });
  expect(() => compareReports(report(1, 1), report(1, 1, 'other'))).toThrow('no model in common');
});

it('refuses what is no report, naming the place', () => {
  expect(() => parseReport('{', 'a.json')).toThrow('a.json is not JSON');
  const broken = { ...report(1, 1), machine: { ...report(1, 1).machine, cores: 'many' } };
  expect(() => parseReport(JSON.stringify(broken), 'a.json')).toThrow('a.json: machine.cores');
});

it('draws a page that loads nothing and runs nothing', () => {
  const page = reportPage(signReport(report(2, 100), signer));
  expect(page).not.toMatch(/<script|https?:|src=|@import|url\(/);
  expect(page).toContain('Board &#60;script&#62;');
  expect(page.match(/<polyline/g)).toHaveLength(2);
  expect(page).toContain(signer.address);
});
