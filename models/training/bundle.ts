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

export interface BundleContent {
  readonly onnx: Uint8Array;
  /** Everything of model.yaml but runtime, file and sha256. */
  readonly manifest: Readonly<Record<string, unknown>>;
  /** Computed without the exported file, so that they check the export too. */
  readonly golden: readonly GoldenSample[];
  readonly tolerance: number;
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
  writeFileSync(path('README.md'), modelCard(manifest as unknown as Card));
  rmSync(path('golden'), { recursive: true, force: true });
  mkdirSync(path('golden'));
  for (const [index, sample] of content.golden.entries()) {
    const text = JSON.stringify({
      inputs: { window: tableOf(sample) },
      outputs: Object.fromEntries(Object.entries(sample.outputs).map(([key, value]) => [key, plain(value)])),
      tolerance: content.tolerance,
    });
    writeFileSync(path(`golden/sample-${index + 1}.json`), `${text}\n`);
  }
}

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
  const input = session.inputNames[0]!;
  for (const [index, sample] of content.golden.entries()) {
    const rows = sample.window.length / sample.columns;
    const shape = sample.columns === 1 ? [1, rows] : [1, rows, sample.columns];
    const answers = await session.run({ [input]: new Tensor('float32', sample.window, shape) });
    for (const [name, expected] of Object.entries(sample.outputs)) {
      const wanted = typeof expected === 'number' ? [expected] : Array.from(expected);
      const got = Array.from(answers[name]!.data as Float32Array);
      const worst = Math.max(...wanted.map((value, i) => Math.abs(value - got[i]!)));
      if (!(worst <= content.tolerance)) {
        throw new Error(`golden sample ${index}: ${name} is off by ${worst}, tolerance ${content.tolerance}`);
      }
    }
  }
  await session.release();
}

interface Card {
  readonly name: string;
  readonly version: string;
  readonly features: readonly string[];
  readonly rows: number;
  readonly card: {
    readonly intendedUse: string;
    readonly limits: string;
    readonly trainingData: string;
    readonly metrics: Readonly<Record<string, number | string>>;
  };
}

/** The model card for people; model.yaml holds the same for programs. */
function modelCard({ name, version, features, rows, card }: Card): string {
  const columns = features.length > 0 ? features.join(', ') : 'any one field';
  const metrics = Object.entries(card.metrics).map(([key, value]) => `| ${key} | ${value} |`);
  return `# ${name} ${version}

**Input.** A window of ${rows} readings of ${columns}.

**Intended use.** ${card.intendedUse}

**Limits.** ${card.limits}

**Training data.** ${card.trainingData}. The same file is made again by \`node models/${name}/make.ts\`.

**Measured** on generated samples that were not trained on:

| figure | value |
|---|---|
${metrics.join('\n')}
`;
}
