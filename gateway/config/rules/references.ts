import type { Finding, Path } from '../issues.ts';
import { suggest } from '../suggest.ts';
import type { Draft, Entry, RuleContext } from './draft.ts';

/** Ids are unique, and every id that is referred to exists. */
export function referenceRules(draft: Draft, context: RuleContext): Finding[] {
  return [
    ...duplicateIds(draft),
    ...pipelineSources(draft),
    ...cycles(draft),
    ...aggregateSources(draft),
    ...models(draft, context),
  ];
}

const ids = (entries: readonly Entry<unknown>[]): string[] => entries.flatMap((e) => e.id ?? []);

function duplicateIds(draft: Draft): Finding[] {
  const findings: Finding[] = [];
  const check = (
    entries: readonly { id: string | undefined; path: Path }[],
    seen: Map<string, string>,
  ): void => {
    for (const { id, path } of entries) {
      if (id === undefined) continue;
      const first = seen.get(id);
      if (first === undefined) seen.set(id, `${path[0]}[${path[1]}]`);
      else {
        findings.push({
          path: draft.at([...path, 'id']) === undefined ? path : [...path, 'id'],
          message: `the id ${JSON.stringify(id)} is taken by ${first}`,
          received: id,
          expected: 'an id of its own',
          fix: 'choose another id',
        });
      }
    }
  };
  // Streams and pipelines share one space of names, because `from` may name either.
  const shared = new Map<string, string>();
  check(draft.streams, shared);
  check(draft.pipelines, shared);
  check(
    draft.aggregates.map((a) => ({ path: a.path, id: aggregateId(draft, a.path) })),
    new Map(),
  );
  check(draft.upstream, new Map());
  return findings;
}

/** An aggregate's own id, or the one it gets by default as far as the text tells. */
function aggregateId(draft: Draft, path: Path): string | undefined {
  const own = draft.at([...path, 'id']);
  if (own !== undefined) return typeof own === 'string' ? own : undefined;
  const from = draft.at([...path, 'from']);
  const every = draft.at([...path, 'every']);
  return from === undefined || every === undefined ? undefined : `${String(from)}-${String(every)}`;
}

function unknownSource(path: Path, name: string, what: string, known: readonly string[]): Finding {
  const meant = suggest(name, known);
  return {
    path,
    message: `there is no ${what} ${JSON.stringify(name)}${meant ? `; did you mean ${JSON.stringify(meant)}?` : ''}`,
    received: name,
    expected: known.length > 0 ? `one of ${known.join(', ')}` : `a ${what}, but none is configured`,
    fix: meant ? `write ${meant}` : `define the ${what} or name an existing one`,
  };
}

function pipelineSources(draft: Draft): Finding[] {
  const streams = ids(draft.streams);
  const sources = [...streams, ...ids(draft.pipelines)];
  return draft.pipelines.flatMap((pipeline) => {
    const path: Path = [...pipeline.path, 'from'];
    const from = draft.at(path);
    const findings: Finding[] = [];
    if (typeof from === 'string' && !sources.includes(from)) {
      findings.push(unknownSource(path, from, 'stream or pipeline', sources));
    }
    if (Array.isArray(from)) {
      from.forEach((name: unknown, index) => {
        if (typeof name !== 'string') return;
        if (!streams.includes(name)) findings.push(unknownSource([...path, index], name, 'stream', streams));
        else if (from.indexOf(name) !== index) {
          findings.push({
            path: [...path, index],
            message: `the stream ${JSON.stringify(name)} is joined with itself`,
            expected: 'each stream once',
            fix: 'remove it here',
          });
        }
      });
    }
    if (draft.at([...pipeline.path, 'join']) !== undefined && typeof from === 'string') {
      findings.push({
        path: [...pipeline.path, 'join'],
        at: 'key',
        message: '"join" needs several streams',
        expected: 'from: [stream, stream, …]',
        fix: 'remove "join", or list the streams under "from"',
      });
    }
    return findings;
  });
}

/** A pipeline that feeds on its own output would never end. */
function cycles(draft: Draft): Finding[] {
  const next = new Map<string, string>();
  for (const pipeline of draft.pipelines) {
    const from = draft.at([...pipeline.path, 'from']);
    if (pipeline.id !== undefined && typeof from === 'string') next.set(pipeline.id, from);
  }
  return draft.pipelines.flatMap((pipeline) => {
    if (pipeline.id === undefined) return [];
    const trail = [pipeline.id];
    for (let at = next.get(pipeline.id); at !== undefined && !trail.includes(at); at = next.get(at))
      trail.push(at);
    if (next.get(trail.at(-1)!) !== pipeline.id) return [];
    return [
      {
        path: [...pipeline.path, 'from'],
        message: `the pipeline feeds on its own output: ${[...trail, pipeline.id].join(' ← ')}`,
        expected: 'pipelines that begin at a stream',
        fix: 'let one of them take a stream',
      },
    ];
  });
}

function aggregateSources(draft: Draft): Finding[] {
  const streams = ids(draft.streams);
  return draft.aggregates.flatMap((aggregate) => {
    const from = draft.at([...aggregate.path, 'from']);
    if (typeof from !== 'string' || streams.includes(from)) return [];
    return [unknownSource([...aggregate.path, 'from'], from, 'stream', streams)];
  });
}

const MODEL_REFERENCE = /^[a-z0-9][a-z0-9._-]*(@[A-Za-z0-9][A-Za-z0-9.+-]*)?$/;

function models(draft: Draft, context: RuleContext): Finding[] {
  return draft.pipelines.flatMap((pipeline) => {
    const path: Path = [...pipeline.path, 'model'];
    const reference = draft.at(path);
    if (typeof reference !== 'string') return [];
    if (!MODEL_REFERENCE.test(reference)) {
      return [
        {
          path,
          message: 'not a model reference',
          expected: 'name or name@version',
          fix: 'write for example streaming-anomaly@1; `aimx-gateway models list` shows what is installed',
        },
      ];
    }
    const installed = context.models;
    if (!installed || installed.some((model) => refersTo(reference, model))) return [];
    const names = installed.map((model) => `${model.name}@${model.version}`);
    const meant = suggest(reference, [...names, ...installed.map((model) => model.name)]);
    return [
      {
        path,
        message: `the model ${JSON.stringify(reference)} is not installed${meant ? `; did you mean ${JSON.stringify(meant)}?` : ''}`,
        expected: names.length > 0 ? `one of ${names.join(', ')}` : 'an installed model, but there is none',
        fix: meant ? `write ${meant}` : 'install it with `aimx-gateway models add PATH`',
      },
    ];
  });
}

/** `name`, `name@2` (any 2.x) and `name@2.1.0` refer to a bundle of version 2.1.0. */
export function refersTo(reference: string, model: { name: string; version: string }): boolean {
  const [name, version] = reference.split('@');
  if (name !== model.name) return false;
  return version === undefined || version === model.version || model.version.startsWith(`${version}.`);
}
