import type { FieldValue } from '../ports/reading.ts';
import type { JournalRecord } from '../store/types.ts';
import type { Reading } from '../stream/window.ts';

/** Output names seen lately, so that results of one shape share their `fields` array. */
const SHAPES = 16;

/**
 * Reads result documents as readings: each output is a field, vectors become arrays, the time is the document's.
 * A text that is no result document is passed over.
 */
export function resultReader(): (record: JournalRecord<string>) => Reading | undefined {
  const shapes: string[][] = [];
  const shapeOf = (names: string[]): string[] => {
    const known = shapes.find((s) => s.length === names.length && s.every((name, i) => name === names[i]));
    if (known !== undefined) return known;
    if (shapes.length >= SHAPES) shapes.shift();
    shapes.push(names);
    return names;
  };
  return (record) => {
    const outputs = outputsOf(record.value);
    if (outputs === undefined) return undefined;
    const fields = shapeOf(Object.keys(outputs));
    const values = fields.map((name) => fieldOf(outputs[name]));
    const { seq, device, deviceSeq, time, arrival, flags } = record;
    return { seq, device, deviceSeq, time, arrival, flags, value: { fields, values } };
  };
}

function outputsOf(text: string): Record<string, unknown> | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  const outputs = (parsed as { outputs?: unknown } | null)?.outputs;
  return typeof outputs === 'object' && outputs !== null ? (outputs as Record<string, unknown>) : undefined;
}

function fieldOf(value: unknown): FieldValue {
  if (Array.isArray(value)) return Float64Array.from(value, Number);
  return typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean' ? value : null;
}
