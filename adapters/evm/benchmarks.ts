import type { BenchmarkRegistry, BenchmarkResult, BenchmarkRow } from '../../gateway/ports/benchmarks.ts';
import type { AbiResult } from './abi.ts';
import { EvmContract, type View } from './contract.ts';

const REPORT = '(address,bytes32,uint64,string,(bytes32,string,string,string,uint128)[])';
const SUBJECT = '(bytes32,string,string,string,uint256)';
const RESULT = '(address,uint64,uint128,bytes32)';
const ERRORS = [
  'WrongSigner(address,address)',
  'StaleResult(bytes32,uint64,uint64)',
  'WrongTime(uint64)',
  'WrongReport()',
];
const PAGE = 200;
/** More than these are not read: who wants them runs an indexer. */
const MAX_READ = 20_000;

/** The registry of benchmark results on an EVM chain. Pure constructor; the first call opens the connection. */
export function createEvmBenchmarks(options: {
  readonly rpcUrl: string;
  readonly chainId: number;
  readonly address: string;
  readonly timeoutMs?: number;
}): BenchmarkRegistry {
  const address = options.address.toLowerCase();
  const contract = new EvmContract({ ...options, address, errors: ERRORS });
  return {
    chainId: options.chainId,
    address,
    results: (wanted) =>
      contract.look(async (view) => {
        const found: BenchmarkResult[] = [];
        for (const { key, subject, count } of await subjectsOf(view)) {
          if (wanted(subject) && found.length < MAX_READ)
            found.push(...(await resultsOf(view, key, subject, count)));
        }
        return found;
      }),
    publish: ({ device, reportHash, measuredAt, board, rows }, signature, payer) =>
      contract.send(
        payer,
        `publish(${REPORT},bytes)`,
        [
          device,
          reportHash,
          measuredAt,
          board,
          rows.map((row) => [row.modelSha256, row.runtime, row.scenario, row.metric, row.score]),
        ],
        signature,
      ),
    close: () => contract.close(),
  };
}

type Subject = Omit<BenchmarkRow, 'score'>;

async function subjectsOf(view: View): Promise<{ key: string; subject: Subject; count: number }[]> {
  const total = Math.min(MAX_READ, Number((await view('keyCount()', '(uint256)'))[0]));
  const all: { key: string; subject: Subject; count: number }[] = [];
  for (let from = 0; from < total; from += PAGE) {
    const types = `(bytes32[],${SUBJECT}[])`;
    const [keys, subjects] = await view('subjects(uint256,uint256)', types, from, PAGE);
    for (const [i, fields] of (subjects as AbiResult[][]).entries()) {
      const [modelSha256, runtime, scenario, metric] = fields as string[];
      const subject = { modelSha256: modelSha256!, runtime: runtime!, scenario: scenario!, metric: metric! };
      all.push({ key: (keys as string[])[i]!, subject, count: Number(fields[4]) });
    }
  }
  return all;
}

async function resultsOf(
  view: View,
  key: string,
  subject: Subject,
  count: number,
): Promise<BenchmarkResult[]> {
  const all: BenchmarkResult[] = [];
  for (let from = 0; from < Math.min(count, MAX_READ); from += PAGE) {
    const types = `(${RESULT}[],string[])`;
    const [results, boards] = await view('results(bytes32,uint256,uint256)', types, key, from, PAGE);
    for (const [i, [device, measuredAt, score, reportHash]] of (results as AbiResult[][]).entries())
      all.push({
        ...subject,
        device: device as string,
        measuredAt: Number(measuredAt),
        score: score as bigint,
        reportHash: reportHash as string,
        board: (boards as string[])[i]!,
      });
  }
  return all;
}
