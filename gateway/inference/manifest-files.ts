import { createHash } from 'node:crypto';
import type { Manifest, ParsedManifest } from './manifest.ts';

/** Stands for the model file where the manifest says all: a graph, a model on a server. */
export const MANIFEST_FILE = 'model.yaml';

/** A file of a bundle and its SHA-256. */
export interface BundleFile {
  readonly file: string;
  readonly sha256: string;
}

/**
 * Settles what names a model: the SHA-256 of its file where that holds the whole model, else the SHA-256 of the
 * manifest, which holds those of all files. The model file becomes the first of `files`.
 */
export function settleFiles(parsed: ParsedManifest, text: string): Manifest {
  const { file, sha256, files } = parsed;
  const own = file !== undefined && sha256 !== undefined ? [{ file, sha256 }] : [];
  const whole = own.length > 0 && files.length === 0;
  return {
    ...parsed,
    file: file ?? MANIFEST_FILE,
    sha256: whole ? sha256! : createHash('sha256').update(text).digest('hex'),
    files: [...own, ...files],
  };
}

/** Every file whose content the manifest fixes. */
export function filesOf({ files, graph }: Manifest): readonly BundleFile[] {
  const nodes = (graph ?? []).flatMap((node) =>
    node.kind === 'model' ? [{ file: node.model, sha256: node.sha256 }] : [],
  );
  return [...files, ...nodes];
}
