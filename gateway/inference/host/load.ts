import { GatewayError } from '../../errors.ts';
import type { LoadedModel, ModelRunner } from '../../ports/model-runner.ts';
import type { ModelPlan } from '../plan.ts';
import { loadGraph } from './graph.ts';

export type Runners = ReadonlyMap<string, ModelRunner>;

/** Loads what a plan describes: a model file, or a graph of several. Rejects with a coded error. */
export function loadModel(plan: ModelPlan, runners: Runners): Promise<LoadedModel> {
  const load = (runtime: string, file: string): Promise<LoadedModel> => runnerOf(runners, runtime).load(file);
  return plan.graph ? loadGraph(plan.graph, plan.inputs, load) : load(plan.runtime, plan.file);
}

/** The runner of a runtime; throws MODEL_RUNTIME when there is none. */
export function runnerOf(runners: Runners, runtime: string): ModelRunner {
  const runner = runners.get(runtime);
  if (runner) return runner;
  const known = [...runners.keys()].join(', ');
  throw new GatewayError('MODEL_RUNTIME', `no runtime "${runtime}" here, only ${known}`);
}
