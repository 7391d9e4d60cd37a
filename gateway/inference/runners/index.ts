import type { ModelRunner } from '../../ports/model-runner.ts';
import { createOnnxRunner } from './onnx.ts';

/** Every runtime of the model host, by name. A new one is a line here. */
export function createRunners(): ReadonlyMap<string, ModelRunner> {
  return new Map([createOnnxRunner()].map((runner) => [runner.runtime, runner]));
}
