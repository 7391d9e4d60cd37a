import type { PipelineConfig } from '../config/schema.ts';
import type { AnomalyView } from '../http/index.ts';
import type { ResultDocument } from '../ports/results.ts';
import { parseCondition } from '../stream/condition.ts';

/** Scores at or above this are worth showing where the configuration does not say what is. */
const HIGH = 0.9;
/** Labels that say so themselves. */
const ALARMING = /anomal|fault|fail|alarm|danger|critical/i;
/** Outputs that tell how bad it is, in the order in which they are believed. */
const SCORES = ['score', 'anomaly', 'probability', 'severity'];

/** Whether a result is one that people should see: `publish.when` of its pipeline, or what its outputs say. */
export type Notable = (document: ResultDocument) => boolean;

export function notableOf({ publish }: PipelineConfig): Notable {
  if (publish.when === undefined) return ({ outputs }) => alarming(outputs);
  const condition = parseCondition(publish.when);
  return (document) => condition(document.outputs, document as unknown as Readonly<Record<string, unknown>>);
}

function alarming(outputs: ResultDocument['outputs']): boolean {
  const { anomaly, label } = outputs;
  if (typeof anomaly === 'boolean') return anomaly;
  if (typeof label === 'string') return ALARMING.test(label);
  const score = scoreOf(outputs);
  return score !== null && score.value >= HIGH;
}

/** A result as a mark in a plot. */
export function anomalyOf({ id, pipeline, device, time, model, outputs }: ResultDocument): AnomalyView {
  const score = scoreOf(outputs);
  return {
    id,
    pipeline,
    device,
    time,
    model: { name: model.name, version: model.version },
    output: score?.name ?? null,
    score: score?.value ?? null,
    label: typeof outputs.label === 'string' ? outputs.label.slice(0, 200) : null,
  };
}

function scoreOf(outputs: ResultDocument['outputs']): { name: string; value: number } | null {
  for (const name of [...SCORES, ...Object.keys(outputs)]) {
    const value = outputs[name];
    if (typeof value === 'number') return { name, value };
  }
  return null;
}
