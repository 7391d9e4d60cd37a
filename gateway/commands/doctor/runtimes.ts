import { createRequire } from 'node:module';
import type { Config } from '../../config/schema.ts';
import { asGatewayError } from '../../errors.ts';
import { bad, type Finding, ok, skip, warn } from './finding.ts';

/** What a model ran into that is not its own fault. */
export interface RuntimeProblem {
  readonly problem: string;
  readonly fix: string;
}

/**
 * Node.js and what runs models: which library is active, and why.
 * @param idle what models met whose providers the library was built with and cannot start
 */
export async function runtimeFindings(
  config: Config | undefined,
  idle: RuntimeProblem | undefined,
): Promise<Finding[]> {
  return [
    ok('node', `${process.version} on ${process.platform} ${process.arch}`),
    await onnx(config?.models.onnx.providers ?? ['cpu'], idle),
    await tensorflow(),
    await pictures(),
  ];
}

async function onnx(providers: readonly string[], idle: RuntimeProblem | undefined): Promise<Finding> {
  // Creating a session would tell its maker otherwise.
  process.env.ORT_DISABLE_TELEMETRY = '1';
  const version = versionOf('onnxruntime-node');
  try {
    const runtime = await import('onnxruntime-node');
    const backends = runtime.listSupportedBackends();
    const built = backends.map(({ name, bundled }) =>
      bundled ? name : `${name} (with libraries of its own)`,
    );
    const text = `${version}, providers: ${built.join(', ')}; in use: ${providers.join(', ')}`;
    const absent = providers.filter((name) => !backends.some((backend) => backend.name === name));
    if (absent.length === 0)
      return idle ? bad('onnxruntime', `${text}; ${idle.problem}`, idle.fix) : ok('onnxruntime', text);
    return bad(
      'onnxruntime',
      `${text}; this build lacks ${absent.join(', ')}, so ONNX models are refused`,
      `set models.onnx.providers to some of ${built.join(', ')}, or install a build that has ${absent.join(', ')}`,
    );
  } catch (error) {
    return bad('onnxruntime', `cannot be loaded: ${firstLine(error)}`, 'npm ci');
  }
}

async function tensorflow(): Promise<Finding> {
  const version = versionOf('@tensorflow/tfjs-core');
  const others = 'bundles of other runtimes do not need it';
  if (version === undefined) return skip('tensorflow.js', `not installed; ${others}`);
  try {
    const { loadTfjs } = await import('../../inference/runners/tfjs/library.ts');
    const { backend, reason } = await loadTfjs();
    return ok('tensorflow.js', `${version} computes with ${backend}: ${reason}`);
  } catch (error) {
    const { message } = asGatewayError(error);
    return warn('tensorflow.js', `${message}; ${others}`, 'npm install --include=optional');
  }
}

async function pictures(): Promise<Finding> {
  try {
    const { default: sharp } = await import('sharp');
    return ok('pictures', `sharp ${sharp.versions.sharp} decodes JPEG and PNG`);
  } catch (error) {
    return warn(
      'pictures',
      `sharp cannot be loaded: ${firstLine(error)}; only bundles for cameras need it`,
      'npm install --include=optional sharp',
    );
  }
}

function versionOf(name: string): string | undefined {
  const require = createRequire(import.meta.url);
  try {
    return (require(`${name}/package.json`) as { version: string }).version;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return undefined;
  }
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? '';
