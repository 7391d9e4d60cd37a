import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';

export interface GoldenSample {
  /** Row-major window. */
  readonly window: Float32Array;
  readonly columns: number;
  /** Raw model outputs as the reference arithmetic gives them. */
  readonly outputs: Readonly<Record<string, number | Float32Array>>;
}

/** Windows of one device in order: state travels from each to the next and is empty before the first. */
export interface GoldenSequence {
  readonly steps: readonly GoldenSample[];
}

export interface BundleContent {
  readonly onnx: Uint8Array;
  /** Everything of model.yaml but runtime, file and sha256. */
  readonly manifest: Readonly<Record<string, unknown>>;
  /** Computed without the exported file, so that they check the export too. */
  readonly golden: readonly (GoldenSample | GoldenSequence)[];
  readonly tolerance: number;
  /** What the card's figures were measured on. */
  readonly measuredOn?: string;
}

/** Writes model.onnx, model.yaml and golden/ into the folder and checks the export with ONNX Runtime. */
export async function writeBundle(folder: URL, content: BundleContent): Promise<void> {
  await checkExport(content);
  const path = (name: string): string => fileURLToPath(new URL(name, folder));
  const { name, version, ...rest } = content.manifest;
  const manifest = {
    name,
    version,
    runtime: 'onnx',
    file: 'model.onnx',
    sha256: createHash('sha256').update(content.onnx).digest('hex'),
    ...rest,
  };
  writeFileSync(path('model.onnx'), content.onnx);
  writeFileSync(path('model.yaml'), stringify(manifest, { lineWidth: 0 }));
  writeFileSync(path('README.md'), modelCard(manifest as unknown as Card, content.measuredOn));
  rmSync(path('golden'), { recursive: true, force: true });
  mkdirSync(path('golden'));
  for (const [index, sample] of content.golden.entries()) {
    const body = 'steps' in sample ? { steps: sample.steps.map(stepOf) } : stepOf(sample);
    const text = JSON.stringify({ ...body, tolerance: content.tolerance });
    writeFileSync(path(`golden/sample-${index + 1}.json`), `${text}\n`);
  }
}

const stepOf = (sample: GoldenSample) => ({
  inputs: { window: tableOf(sample) },
  outputs: Object.fromEntries(Object.entries(sample.outputs).map(([key, value]) => [key, plain(value)])),
});

/** A list of numbers for one column, of rows for several. */
function tableOf(sample: GoldenSample): number[] | number[][] {
  const values = plain(sample.window) as number[];
  if (sample.columns === 1) return values;
  const rows = values.length / sample.columns;
  return Array.from({ length: rows }, (_, row) =>
    values.slice(row * sample.columns, (row + 1) * sample.columns),
  );
}

/** float32 values print shortest when rounded to nine significant digits. */
function plain(value: number | Float32Array): number | number[] {
  if (typeof value === 'number') return Number(value.toPrecision(9));
  return Array.from(value, (x) => Number(x.toPrecision(9)));
}

async function checkExport(content: BundleContent): Promise<void> {
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(content.onnx);
  const pairs = (content.manifest.state ?? []) as readonly StatePair[];
  const input = (content.manifest.inputs as readonly { name: string; from: string }[]).find(
    ({ from }) => from === 'window',
  )!.name;
  for (const [index, sample] of content.golden.entries()) {
    let state: Record<string, InstanceType<typeof Tensor>> = Object.fromEntries(
      pairs.map((pair) => {
        const size = pair.shape.reduce((product, d) => product * d, 1);
        return [pair.input, new Tensor('float32', new Float32Array(size), pair.shape)];
      }),
    );
    const steps = 'steps' in sample ? sample.steps : [sample];
    for (const [at, { window, columns, outputs }] of steps.entries()) {
      const rows = window.length / columns;
      const shape = columns === 1 ? [1, rows] : [1, rows, columns];
      const answers = await session.run({ ...state, [input]: new Tensor('float32', window, shape) });
      for (const [name, expected] of Object.entries(outputs)) {
        const wanted = typeof expected === 'number' ? [expected] : Array.from(expected);
        const got = Array.from(answers[name]!.data as Float32Array);
        const worst = Math.max(...wanted.map((value, i) => Math.abs(value - got[i]!)));
        if (!(worst <= content.tolerance)) {
          throw new Error(
            `golden sample ${index}, step ${at}: ${name} is off by ${worst}, tolerance ${content.tolerance}`,
          );
        }
      }
      state = Object.fromEntries(
        pairs.map((pair) => [pair.input, answers[pair.output] as InstanceType<typeof Tensor>]),
      );
    }
  }
  await session.release();
}

interface StatePair {
  readonly input: string;
  readonly output: string;
  readonly shape: readonly number[];
}

interface Card {
  readonly name: string;
  readonly version: string;
  readonly features: readonly string[];
  readonly columns?: { readonly min: number; readonly max: number };
  readonly rows: number;
  readonly card: {
    readonly intendedUse: string;
    readonly limits: string;
    readonly trainingData: string;
    readonly source: string;
    readonly metrics: Readonly<Record<string, number | string>>;
  };
}

/** The model card for people; model.yaml holds the same for programs. */
function modelCard(
  { name, version, features, columns: range, rows, card }: Card,
  measuredOn = 'generated samples that were not trained on',
): string {
  const free = range ? `${range.min} to ${range.max} fields` : 'any one field';
  const columns = features.length > 0 ? features.join(', ') : free;
  const readings = rows === 1 ? 'One reading' : `A window of ${rows} readings`;
  const metrics = Object.entries(card.metrics).map(([key, value]) => `| ${key} | ${value} |`);
  return `# ${name} ${version}

**Input.** ${readings} of ${columns}.

**Intended use.** ${card.intendedUse}

**Limits.** ${card.limits}

**Training data.** ${card.trainingData}. The same file is made again by \`node ${card.source}\`.

**Measured** on ${measuredOn}:

| figure | value |
|---|---|
${metrics.join('\n')}
`;
}
