import { createRequire } from 'node:module';
import util from 'node:util';
import { GatewayError } from '../../../errors.ts';

export type Tf = typeof import('@tensorflow/tfjs-core');
type Converter = typeof import('@tensorflow/tfjs-converter');
type Layers = typeof import('@tensorflow/tfjs-layers');

/** TensorFlow.js as it was found here. */
export interface TfjsLibrary {
  readonly tf: Tf;
  readonly loadGraphModel: Converter['loadGraphModel'];
  readonly loadLayersModel: Layers['loadLayersModel'];
  /** What computes: `tensorflow` is the native library of tfjs-node. */
  readonly backend: 'tensorflow' | 'wasm' | 'cpu';
  /** Why it is this one, for people. */
  readonly reason: string;
}

/** Used when somebody has installed it: its last release needs help on new versions of Node.js and downloads a library. */
const NATIVE = '@tensorflow/tfjs-node';

let loaded: Promise<TfjsLibrary> | undefined;

/** Loads TensorFlow.js with the fastest backend that works here; rejects with MODEL_RUNTIME when none does. */
export function loadTfjs(): Promise<TfjsLibrary> {
  loaded ??= load();
  return loaded;
}

async function load(): Promise<TfjsLibrary> {
  const native = loadNative();
  if (typeof native !== 'string') return native;
  try {
    const tf = await import('@tensorflow/tfjs-core');
    // It greets whoever runs it in Node.js otherwise.
    tf.env().set('PROD', true);
    const { loadGraphModel } = await import('@tensorflow/tfjs-converter');
    const { loadLayersModel } = await import('@tensorflow/tfjs-layers');
    const wasm = await startWasm(tf);
    if (wasm === undefined) return { tf, loadGraphModel, loadLayersModel, backend: 'wasm', reason: native };
    await useCpu(tf);
    const reason = `${native}; WebAssembly does not start: ${wasm}`;
    return { tf, loadGraphModel, loadLayersModel, backend: 'cpu', reason };
  } catch (error) {
    loaded = undefined;
    throw new GatewayError('MODEL_RUNTIME', `TensorFlow.js cannot be loaded: ${firstLine(error)}`, {
      fix: 'Install its parts: `npm install --include=optional`. Models of other runtimes work without it.',
      cause: error,
    });
  }
}

/** tfjs-node when it is installed and works, else why not. */
function loadNative(): TfjsLibrary | string {
  const require = createRequire(import.meta.url);
  try {
    require.resolve(NATIVE);
  } catch {
    return `${NATIVE} is not installed`;
  }
  try {
    // Its last release calls these; Node.js 23 has removed them.
    const old = util as unknown as Record<string, (value: unknown) => boolean>;
    old.isNullOrUndefined ??= (value) => value === null || value === undefined;
    old.isArray ??= Array.isArray;
    const all = require(NATIVE) as Tf & Converter & Layers;
    const { loadGraphModel, loadLayersModel } = all;
    return { tf: all, loadGraphModel, loadLayersModel, backend: 'tensorflow', reason: 'tfjs-node loads' };
  } catch (error) {
    return `${NATIVE} cannot be loaded: ${firstLine(error)}`;
  }
}

/** Undefined when the WebAssembly backend runs, else why not. One thread: others would take the second core. */
async function startWasm(tf: Tf): Promise<string | undefined> {
  try {
    await import('@tensorflow/tfjs-backend-wasm');
    tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
    return (await tf.setBackend('wasm')) ? undefined : 'it refuses';
  } catch (error) {
    return firstLine(error);
  }
}

/** The backend in plain JavaScript, which has every kernel. */
export async function useCpu(tf: Tf): Promise<void> {
  await import('@tensorflow/tfjs-backend-cpu');
  await tf.setBackend('cpu');
}

export const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 500);
