import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';

/** What every manifest in these tests says about itself. */
export const CARD = {
  intendedUse: 'tests',
  limits: 'nothing else',
  trainingData: 'none',
  licence: 'MIT',
  source: 'made by a test',
};

export interface BundleParts {
  readonly name: string;
  readonly version?: string;
  /** The model file to copy, or its bytes. */
  readonly model: string | Uint8Array;
  readonly golden?: readonly unknown[];
  /** The rest of the manifest; may also replace what is derived here. */
  readonly manifest: Readonly<Record<string, unknown>>;
}

/** Writes a bundle folder below `dir` and returns its path. */
export function writeBundle(dir: string, parts: BundleParts): string {
  const version = parts.version ?? '1';
  const folder = join(dir, `${parts.name}-${version}`);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, 'model.onnx');
  if (typeof parts.model === 'string') copyFileSync(parts.model, file);
  else writeFileSync(file, parts.model);
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex');
  const manifest = {
    name: parts.name,
    version,
    runtime: 'onnx',
    file: 'model.onnx',
    sha256,
    card: CARD,
    ...parts.manifest,
  };
  writeFileSync(join(folder, 'model.yaml'), stringify(manifest));
  parts.golden?.forEach((sample, i) => {
    mkdirSync(join(folder, 'golden'), { recursive: true });
    writeFileSync(join(folder, 'golden', `${i}.json`), JSON.stringify(sample));
  });
  return folder;
}
