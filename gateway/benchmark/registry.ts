import { toHex } from '../billing/formats/bytes.ts';
import { digest, domainSeparator, hashStruct, type Types } from '../billing/formats/typed-data.ts';
import type { BenchmarkReport, BenchmarkRow } from '../ports/benchmarks.ts';
import type { Signer } from '../ports/chain.ts';
import { metricOf } from './compare.ts';
import type { Report, ScenarioResult } from './report.ts';
import { reportHash } from './signature.ts';

/** What devices sign for the registry (EIP-712); `deploy/contracts/BenchmarkRegistry.sol` has the same types. */
export const REGISTRY_TYPES = {
  Report: [
    { name: 'device', type: 'address' },
    { name: 'reportHash', type: 'bytes32' },
    { name: 'measuredAt', type: 'uint64' },
    { name: 'board', type: 'string' },
    { name: 'rows', type: 'Row[]' },
  ],
  Row: [
    { name: 'modelSha256', type: 'bytes32' },
    { name: 'runtime', type: 'string' },
    { name: 'scenario', type: 'string' },
    { name: 'metric', type: 'string' },
    { name: 'score', type: 'uint128' },
  ],
} as const satisfies Types;

/** The contract takes as many, and texts of as many bytes. */
const MAX_ROWS = 64;
const MAX_TEXT_BYTES = 64;

/** What the registry keeps of a report that this device has signed: a row for each scenario that was measured. */
export function registryReport(report: Report, device: string): BenchmarkReport {
  const rows = report.models.flatMap(({ model, runtime, scenarios }) =>
    scenarios.map((result) => rowOf(model.sha256, runtime, result)),
  );
  return {
    device,
    reportHash: toHex(reportHash(report)),
    measuredAt: Math.floor(Date.parse(report.createdAt) / 1000),
    board: shortText(report.machine.board || 'unknown'),
    rows: rows.slice(0, MAX_ROWS),
  };
}

/** Signs what the registry keeps: 65 bytes. */
export function signRegistryReport(
  place: { readonly chainId: number; readonly address: string },
  report: BenchmarkReport,
  signer: Signer,
): Uint8Array {
  const separator = domainSeparator({
    name: 'AIMX Benchmark Registry',
    version: '1',
    chainId: place.chainId,
    verifyingContract: place.address,
  });
  return signer.sign(digest(separator, hashStruct('Report', REGISTRY_TYPES, { ...report })));
}

/** Whether a lower score is the better one: the metric says so. */
export const lessIsBetter = (metric: string): boolean => metric.endsWith(' ms');

function rowOf(sha256: string, runtime: string, result: ScenarioResult): BenchmarkRow {
  const { name, value } = metricOf(result);
  return {
    modelSha256: `0x${sha256}`,
    runtime: shortText(runtime),
    scenario: result.scenario,
    metric: name,
    score: BigInt(Math.round(value * 1e6)),
  };
}

/** As much of a text as the registry takes, cut between characters. */
function shortText(text: string): string {
  let short = text;
  while (Buffer.byteLength(short) > MAX_TEXT_BYTES) short = [...short].slice(0, -1).join('');
  return short;
}
