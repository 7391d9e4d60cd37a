import { parseArgs } from 'node:util';

/** Numbers from the command line, each with its default: `--kills 200 --seed 1`. */
export function numbers<T extends Record<string, number>>(defaults: T): T {
  const options = Object.fromEntries(
    Object.keys(defaults).map((name) => [name, { type: 'string' as const }]),
  );
  const { values } = parseArgs({ options });
  const result = { ...defaults } as Record<string, number>;
  for (const [name, text] of Object.entries(values)) {
    const value = Number(text);
    if (!Number.isFinite(value)) throw new Error(`--${name} takes a number, not ${JSON.stringify(text)}`);
    result[name] = value;
  }
  return result as T;
}
