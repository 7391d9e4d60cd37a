import type { ModelRunner } from '../../ports/model-runner.ts';
import { createOnnxRunner } from './onnx.ts';
import type { RuntimeSettings } from './settings.ts';

/** Loaded with the first model that needs it, so that a host without one holds nothing of it. */
const tfjs: ModelRunner = {
  runtime: 'tfjs',
  prepare: async () => (await import('./tfjs/index.ts')).createTfjsRunner().prepare(),
  load: async (file) => (await import('./tfjs/index.ts')).createTfjsRunner().load(file),
};

/** Every runtime of model files, by name. A new one is a line here. Libraries are loaded with the first model. */
export function createRunners(settings?: RuntimeSettings): ReadonlyMap<string, ModelRunner> {
  const runners = [createOnnxRunner(settings?.onnx), tfjs];
  return new Map(runners.map((runner) => [runner.runtime, runner]));
}
