import { z } from 'zod';
import type { Path } from './issues.ts';
import { configSchema } from './schema.ts';
import { DESCRIPTIONS, needsRestart, titleOf } from './words.ts';

/** The part of JSON Schema (2020-12) that zod writes for our schema. */
export interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly [keyword: string]: unknown;
}

let generated: JsonSchema | undefined;

/**
 * JSON Schema of gateway.yaml as people write it (before defaults), for editors: `check --schema`. Each setting has a
 * title, a description, its default where it has one, and `x-needs-restart`.
 */
export function configJsonSchema(): JsonSchema {
  generated ??= {
    ...withWords(z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema, ''),
    title: 'gateway.yaml of the AIMX edge gateway',
  };
  return generated;
}

function withWords(schema: JsonSchema, path: string): JsonSchema {
  const { properties, additionalProperties, items, anyOf } = schema;
  const below = (key: string): string => (path === '' ? key : `${path}.${key}`);
  return {
    ...schema,
    ...(properties && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([key, child]) => [key, setting(child, key, below(key))]),
      ),
    }),
    ...(typeof additionalProperties === 'object' && {
      additionalProperties: withWords(additionalProperties, below('*')),
    }),
    ...(items && { items: withWords(items, `${path}[]`) }),
    ...(anyOf && { anyOf: anyOf.map((option) => withWords(option, path)) }),
  };
}

function setting(schema: JsonSchema, key: string, path: string): JsonSchema {
  const description = schema.description ?? DESCRIPTIONS[path];
  return {
    title: titleOf(key),
    ...(description === undefined ? {} : { description }),
    'x-needs-restart': needsRestart(path),
    ...withWords(schema, path),
  };
}

/** The schemas that may apply at `path`: several where the configuration has alternatives. */
export function schemasAt(path: Path): readonly JsonSchema[] {
  let current = alternatives(configJsonSchema());
  for (const step of path) {
    current = current.flatMap((schema) => {
      const next =
        typeof step === 'number'
          ? schema.items
          : (schema.properties?.[step] ??
            (typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined));
      return next ? alternatives(next) : [];
    });
  }
  return current;
}

/** Keys that may stand in the mapping at `path`. */
export function knownKeys(path: Path): readonly string[] {
  return [...new Set(schemasAt(path).flatMap((schema) => Object.keys(schema.properties ?? {})))];
}

/** The description of the setting at `path`, empty when it has none. */
export function describeSetting(path: Path): string {
  return schemasAt(path).find((schema) => schema.description !== undefined)?.description ?? '';
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  const { anyOf, ...own } = schema;
  if (!anyOf) return [schema];
  return anyOf.flatMap((option) => alternatives({ ...own, ...option }));
}
