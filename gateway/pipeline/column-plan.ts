import type { PipelineConfig, StreamConfig } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type { ModelInfo } from '../ports/inference.ts';
import { fieldIndex } from '../stream/columns.ts';
import { fieldOfInput } from './tensor-values.ts';

/** What a pipeline hands its model. */
export interface ColumnPlan {
  /** Names of the columns; empty for the one numeric field of each reading. */
  readonly names: readonly string[];
  /** Rows to fit each window into; undefined leaves it as it is. */
  readonly rows: number | undefined;
}

/**
 * Which columns and rows the windows of a pipeline have: its `fields`, else what the model declares, else the single
 * numeric field. Throws PIPELINE_COLUMNS or PIPELINE_ROWS when pipeline, streams and model do not fit.
 * @param sources configuration of the streams it takes; undefined for another pipeline, whose outputs are its own
 */
export function planColumns(
  pipeline: PipelineConfig,
  model: ModelInfo,
  sources: readonly (StreamConfig | undefined)[],
): ColumnPlan {
  const fields = knownFields(sources);
  return { names: columnNames(pipeline, model, fields), rows: windowRows(pipeline, model, sources) };
}

function columnNames(
  pipeline: PipelineConfig,
  model: ModelInfo,
  fields: Map<string, boolean> | undefined,
): readonly string[] {
  const { features } = model;
  const chosen = pipeline.fields;
  if (chosen && features.length > 0 && chosen.length !== features.length) {
    throw misfit(
      pipeline,
      model,
      `gives ${chosen.length} columns`,
      `${features.length}: ${features.join(', ')}`,
    );
  }
  if (model.columns) return freeColumns(pipeline, model, model.columns, fields);
  const names = chosen ?? features;
  if (names.length === 0) return joinedDefault(pipeline);
  if (fields === undefined) return names;
  const numeric = [...fields].filter(([, number]) => number).map(([name]) => name);
  const absent = names.filter((name) => fieldIndex(name, numeric) === -1);
  if (absent.length === 0) return names;
  // A model of one sensor takes whatever one column the stream has, under any name.
  if (!chosen && names.length === 1 && numeric.length === 1) return [];
  throw misfit(
    pipeline,
    model,
    `has no numeric field ${absent.map((name) => JSON.stringify(name)).join(', ')}`,
    `fields of ${[pipeline.from].flat().join(', ')}: ${numeric.join(', ')}`,
  );
}

/** For a model of any number of columns: the fields of the pipeline, else all numeric ones. */
function freeColumns(
  pipeline: PipelineConfig,
  model: ModelInfo,
  { min, max }: NonNullable<ModelInfo['columns']>,
  fields: Map<string, boolean> | undefined,
): readonly string[] {
  const numeric = fields && [...fields].flatMap(([name, number]) => (number ? [name] : []));
  const names = pipeline.fields ?? numeric ?? joinedDefault(pipeline);
  const absent = numeric ? names.filter((name) => fieldIndex(name, numeric) === -1) : [];
  if (absent.length > 0)
    throw misfit(pipeline, model, `has no numeric field ${absent.join(', ')}`, numeric!.join(', '));
  if (names.length >= min && names.length <= max) return names;
  const known = names.length === 0 ? 'does not say which fields it has' : `gives ${names.length} columns`;
  throw misfit(pipeline, model, known, `${min} to ${max} columns: name them under fields`);
}

/** The one field of each joined stream, or of the one stream. */
function joinedDefault({ from }: PipelineConfig): readonly string[] {
  return Array.isArray(from) ? from : [];
}

function windowRows(
  { id, window }: PipelineConfig,
  model: ModelInfo,
  sources: readonly (StreamConfig | undefined)[],
): number | undefined {
  if ('samples' in window) {
    if (model.rows === undefined || model.rows === window.samples) return undefined;
    throw new GatewayError(
      'PIPELINE_ROWS',
      `pipeline ${id}: a window has ${window.samples} samples, ${model.name} wants ${model.rows} rows`,
      { received: window.samples, expected: String(model.rows) },
    );
  }
  if (!('count' in window)) return window.rows ?? model.rows;
  const scalars = sources.every(
    (s) =>
      s !== undefined && s.decode !== 'raw' && !Object.values(s.fields ?? {}).some((f) => f.type === 'array'),
  );
  if (scalars && model.rows !== undefined && model.rows !== window.count) {
    throw new GatewayError(
      'PIPELINE_ROWS',
      `pipeline ${id}: a window has ${window.count} readings, ${model.name} wants ${model.rows} rows`,
      { received: window.count, expected: String(model.rows) },
    );
  }
  return undefined;
}

/**
 * Whether a model that takes inputs by name can be given them.
 * @throws GatewayError PIPELINE_COLUMNS, PIPELINE_ROWS
 */
export function checkInputs(
  pipeline: PipelineConfig,
  model: ModelInfo,
  sources: readonly (StreamConfig | undefined)[],
): void {
  const { id, window, fields: chosen } = pipeline;
  if (!('count' in window) || window.count !== 1)
    throw new GatewayError('PIPELINE_ROWS', `pipeline ${id}: ${model.name} takes one reading at a time`, {
      received: window,
      expected: 'window: { count: 1 }',
      fix: 'Set `window: { count: 1 }` of the pipeline.',
    });
  if (model.recurrent)
    throw misfit(
      pipeline,
      model,
      'cannot keep the state of a model without from: window',
      'a model without state',
    );
  if (chosen && chosen.length !== model.inputs.length)
    throw misfit(
      pipeline,
      model,
      `gives ${chosen.length} fields`,
      `${model.inputs.length}: ${inputNames(model)}`,
    );
  const known = namesOf(sources);
  if (known === undefined) return;
  const absent = model.inputs.filter((_, i) => fieldOfInput(model.inputs, i, chosen, known) === -1);
  if (absent.length === 0) return;
  const names = absent.map(({ name }) => JSON.stringify(name)).join(', ');
  throw misfit(
    pipeline,
    model,
    `has no field for ${names}`,
    `fields of ${[pipeline.from].flat().join(', ')}: ${known.join(', ')}`,
  );
}

const inputNames = ({ inputs }: ModelInfo): string => inputs.map(({ name }) => name).join(', ');

/** Fields of the sources, qualified when joined; undefined when some source does not say its fields. */
function namesOf(sources: readonly (StreamConfig | undefined)[]): readonly string[] | undefined {
  const names: string[] = [];
  for (const source of sources) {
    const own = source?.decode === 'bytes' ? (source.fields ?? { payload: {} }) : source?.fields;
    if (source === undefined || own === undefined) return undefined;
    for (const name of Object.keys(own)) names.push(sources.length > 1 ? `${source.id}.${name}` : name);
  }
  return names;
}

/** Field → whether it is a number; qualified when joined. Undefined when some source does not say its fields. */
function knownFields(sources: readonly (StreamConfig | undefined)[]): Map<string, boolean> | undefined {
  const known = new Map<string, boolean>();
  for (const source of sources) {
    if (source?.fields === undefined) return undefined;
    for (const [name, field] of Object.entries(source.fields)) {
      known.set(
        sources.length > 1 ? `${source.id}.${name}` : name,
        ['number', 'boolean', 'array'].includes(field.type),
      );
    }
  }
  return known;
}

function misfit(pipeline: PipelineConfig, model: ModelInfo, problem: string, expected: string): GatewayError {
  return new GatewayError('PIPELINE_COLUMNS', `pipeline ${pipeline.id}, model ${model.name}: ${problem}`, {
    received: pipeline.fields ?? model.features,
    expected,
  });
}
