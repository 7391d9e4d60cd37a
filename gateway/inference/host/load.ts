import { GatewayError } from '../../errors.ts';
import type { LoadedModel, ModelRunner } from '../../ports/model-runner.ts';
import type { ModelPlan } from '../plan.ts';
import { createRunners } from '../runners/index.ts';

type Runners = ReadonlyMap<string, ModelRunner>;

/** Loads what a plan describes: a model file, a graph of several, a model on a server. Rejects with a coded error. */
export async function loadModel(plan: ModelPlan): Promise<LoadedModel> {
  const { runtime, file, graph, remote, settings, inputs } = plan;
  if (remote) return (await import('../runners/remote/index.ts')).loadRemote(remote, settings);
  const runners = createRunners(settings);
  const load = (name: string, path: string): Promise<LoadedModel> => runnerOf(runners, name).load(path);
  return graph ? (await import('./graph.ts')).loadGraph(graph, inputs, load) : load(runtime, file);
}

/** Loads the libraries that a plan needs, so that what is measured from then on is the model's own. */
export async function prepareFor({ runtime, graph, remote, settings }: ModelPlan): Promise<void> {
  if (remote) return;
  const runners = createRunners(settings);
  const models = graph?.nodes.flatMap((node) => (node.kind === 'model' ? [node.runtime] : [])) ?? [runtime];
  for (const name of new Set(models)) await runnerOf(runners, name).prepare();
}

/** The runner of a runtime; throws MODEL_RUNTIME when there is none. */
export function runnerOf(runners: Runners, runtime: string): ModelRunner {
  const runner = runners.get(runtime);
  if (runner) return runner;
  const known = [...runners.keys()].join(', ');
  throw new GatewayError('MODEL_RUNTIME', `no runtime "${runtime}" here, only ${known}`);
}
