/** Figures that are programs of their own in this folder and print JSON. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { BenchContext, Figure } from '../figure.ts';

/** Runs it, passes its lines on as progress, and answers the JSON that its standard output ends with. */
async function program(context: BenchContext, file: string, args: readonly number[]): Promise<unknown> {
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', file), ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  context.cleanUp(() => child.kill('SIGTERM'));
  createInterface({ input: child.stderr }).on('line', (line) => context.say(line));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${file} ended with ${code}`);
  const begin = output.startsWith('{') ? 0 : output.indexOf('\n{') + 1;
  for (const line of output.slice(0, begin).split('\n').filter(Boolean)) context.say(line);
  return JSON.parse(output.slice(begin));
}

export const p4: Figure = {
  id: 'P4',
  title: 'rows per second through the model host ÷ onnxruntime in process, perceptron at batch 128',
  must: 'ratio ≥ 0.8',
  stretch: 'ratio ≥ 0.95',
  async run(context) {
    const report = (await program(context, 'model-host.ts', context.quick ? [1_000_000] : [])) as {
      ratio: number;
      cpuRatio: number;
      undisturbed: number;
      undisturbedRatio?: number;
      meanBatch: number;
      inProcess: number[];
      host: number[];
    };
    const { ratio, cpuRatio, undisturbed, undisturbedRatio, meanBatch, inProcess, host } = report;
    return {
      values: {
        ratio,
        cpuRatio,
        ...(undisturbedRatio === undefined ? {} : { undisturbedRatio }),
        meanBatch,
      },
      holds: (undisturbedRatio ?? ratio) >= 0.8,
      rounds: { inProcess, host },
      notes: [`${undisturbed} rounds had the machine to themselves`],
    };
  },
};

export const p12: Figure = {
  id: 'P12',
  title: 'calls per second of 64 callers ÷ of one, small perceptron; and a pipeline beside a flood of calls',
  must: 'ratio ≥ 10 with p99 ≤ 20 ms',
  stretch: 'ratio ≥ 20',
  async run(context) {
    const report = (await program(context, 'batching.ts', context.quick ? [1] : [])) as {
      ratio: number;
      p99: number;
      meanBatch: number;
      single: number[];
      many: number[];
      overload: { pipelineAlone: { p99: number }; pipelineUnderFlood: { p99: number } };
    };
    const { ratio, p99, meanBatch, single, many, overload } = report;
    const pipelineP99 = overload.pipelineUnderFlood.p99;
    return {
      values: { ratio, p99, meanBatch, pipelineP99 },
      holds: ratio >= 10 && p99 <= 20,
      rounds: { single, many },
      notes: [`the pipeline alone has a p99 of ${overload.pipelineAlone.p99} ms`],
    };
  },
};

export const p5: Figure = {
  id: 'P5',
  title: "CoAP CON POST acknowledged ÷ libcoap's server, which keeps the value in memory",
  must: 'ratio ≥ 0.35 (stored before it is acknowledged)',
  stretch: 'ratio ≥ 0.9',
  async run(context) {
    const report = (await program(context, 'coap.ts', context.quick ? [20_000, 2] : [])) as {
      ratio: { door: number; durable: number };
      rates: Record<string, number[]>;
      cpuMicroseconds: Record<string, number[]>;
    };
    const { durable, door } = report.ratio;
    const cpu = Object.entries(report.cpuMicroseconds).map(([name, values]) => [`${name}CpuUs`, values]);
    return {
      values: { ratio: durable, withoutJournal: door },
      holds: durable >= 0.35,
      rounds: { ...report.rates, ...Object.fromEntries(cpu) },
    };
  },
};
