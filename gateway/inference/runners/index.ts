import type { ModelRunner } from '../../ports/model-runner.ts';
import { createOnnxRunner } from './onnx.ts';
import type { RuntimeSettings } from './settings.ts';
import { createTfjsRunner } from './tfjs/index.ts';

/** Every runtime of model files, by name. A new one is a line here. Libraries are loaded with the first model. */
export function createRunners(settings?: RuntimeSettings): ReadonlyMap<string, ModelRunner> {
  const runners = [createOnnxRunner(settings?.onnx), createTfjsRunner()];
  return new Map(runners.map((runner) => [runner.runtime, runner]));
}
