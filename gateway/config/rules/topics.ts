import type { Finding, Path } from '../issues.ts';
import {
  overlap,
  type Pattern,
  parseCoapPath,
  parseFilter,
  samePattern,
  templateProblem,
} from '../topics.ts';
import type { Draft } from './draft.ts';

/** Placeholders of `publish.topic`. */
export const PUBLISH_PLACEHOLDERS = ['gateway', 'pipeline', 'device'] as const;
/** Placeholders of `upstream.mqtt.topic`; id is the stream, pipeline or aggregate a record comes from. */
export const UPSTREAM_PLACEHOLDERS = ['gateway', 'kind', 'id', 'device'] as const;

/** Paths the gateway serves itself (interfaces.md, CoAP). */
const OWN_COAP_PATHS = ['s', 'r', 'infer', '.well-known'];

interface Mapping {
  readonly path: Path;
  readonly stream: number;
  readonly text: string;
  readonly pattern: Pattern;
}

/** Topics and paths are well formed, hold only known captures, and do not get in each other's way. */
export function topicRules(draft: Draft): Finding[] {
  const findings: Finding[] = [];
  const mqtt = mappings(draft, 'mqtt', parseFilter, findings);
  const coap = mappings(draft, 'coap', parseCoapPath, findings);
  for (const mapping of mqtt) findings.push(...ownTopics(mapping));
  for (const mapping of coap) findings.push(...ownPaths(mapping));
  findings.push(...sharedMappings(draft, mqtt, 'topic'), ...sharedMappings(draft, coap, 'path'));
  findings.push(...publishTopics(draft, mqtt), ...upstreamTopics(draft));
  return findings;
}

function mappings(
  draft: Draft,
  door: 'mqtt' | 'coap',
  parse: typeof parseFilter,
  findings: Finding[],
): Mapping[] {
  return draft.streams.flatMap((stream, index) => {
    const base: Path = [...stream.path, 'from', door];
    const value = draft.at(base);
    const list = Array.isArray(value) ? value : [value];
    return list.flatMap((text: unknown, i): Mapping[] => {
      if (typeof text !== 'string') return [];
      const path = Array.isArray(value) ? [...base, i] : base;
      const result = parse(text);
      if ('pattern' in result) return [{ path, stream: index, text, pattern: result.pattern }];
      findings.push({
        path,
        message: result.problem,
        expected:
          door === 'mqtt'
            ? 'an MQTT topic filter such as plant/{device}/temperature'
            : 'a path such as /plant/{device}/t',
        fix: 'captures such as {device} and + stand for one whole level, # for the rest at the end',
      });
      return [];
    });
  });
}

function ownTopics({ path, pattern }: Mapping): Finding[] {
  const first = pattern.levels[0]!;
  if (first !== 'aimx' && !first.startsWith('$')) return [];
  return [
    {
      path,
      message:
        first === 'aimx'
          ? 'topics below aimx/ are the gateway’s own'
          : 'topics that begin with "$" are the broker’s own',
      expected: 'another first level',
      fix:
        first === 'aimx'
          ? 'remove it: every stream also listens at aimx/s/<stream>/<device>'
          : 'choose a topic that does not begin with "$"',
    },
  ];
}

function ownPaths({ path, pattern }: Mapping): Finding[] {
  const first = pattern.levels[0]!;
  if (!OWN_COAP_PATHS.includes(first)) return [];
  return [
    {
      path,
      message: `paths below /${first} are the gateway’s own`,
      expected: `a path that does not begin with ${OWN_COAP_PATHS.map((p) => `/${p}`).join(', ')}`,
      fix:
        first === 's'
          ? 'remove it: every stream also listens at /s/<stream>/<device>'
          : 'choose another path',
    },
  ];
}

function sharedMappings(draft: Draft, list: readonly Mapping[], what: string): Finding[] {
  return list.flatMap((later, index): Finding[] => {
    const others = list.slice(0, index).filter((m) => m.stream !== later.stream);
    const equal = others.find((m) => samePattern(m.pattern, later.pattern));
    const earlier = equal ?? others.find((m) => overlap(m.pattern, later.pattern));
    if (!earlier) return [];
    const other = `${JSON.stringify(earlier.text)} of the stream ${draft.streams[earlier.stream]?.id ?? earlier.stream}`;
    return [
      {
        severity: equal ? 'error' : 'warning',
        path: later.path,
        message: equal
          ? `this maps the same ${what}s as ${other}`
          : `a ${what} can match this and ${other}; it goes to the one with more text and fewer wildcards`,
        expected: `each ${what} in one stream`,
        fix: equal
          ? 'let one stream take them, with all the fields, and build both pipelines on it'
          : `make the ${what}s differ, or put both into one stream`,
      },
    ];
  });
}

function publishTopics(draft: Draft, doors: readonly Mapping[]): Finding[] {
  return draft.pipelines.flatMap((pipeline): Finding[] => {
    const path: Path = [...pipeline.path, 'publish', 'topic'];
    const topic = draft.at(path);
    if (typeof topic !== 'string') return [];
    const problem = templateProblem(topic, PUBLISH_PLACEHOLDERS);
    if (problem) return [badTemplate(path, problem, PUBLISH_PLACEHOLDERS)];
    const parsed = parseFilter(topic.replaceAll(/[^/]*\{[^}]*\}[^/]*/g, '+'));
    const fed = 'pattern' in parsed ? doors.find((door) => overlap(door.pattern, parsed.pattern)) : undefined;
    if (!fed) return [];
    return [
      {
        severity: 'warning',
        path,
        message: `results can match ${JSON.stringify(fed.text)}, which the stream ${draft.streams[fed.stream]?.id} takes as readings`,
        expected: 'a topic that no stream maps',
        fix: 'publish elsewhere; to go on with results, let another pipeline take this one (from: <pipeline>)',
      },
    ];
  });
}

function upstreamTopics(draft: Draft): Finding[] {
  return draft.upstream.flatMap((upstream) => {
    const path: Path = [...upstream.path, 'mqtt', 'topic'];
    const topic = draft.at(path);
    if (typeof topic !== 'string') return [];
    const problem = templateProblem(topic, UPSTREAM_PLACEHOLDERS);
    return problem ? [badTemplate(path, problem, UPSTREAM_PLACEHOLDERS)] : [];
  });
}

function badTemplate(path: Path, message: string, allowed: readonly string[]): Finding {
  const list = allowed.map((name) => `{${name}}`).join(', ');
  return { path, message, expected: `a topic with none but ${list}`, fix: `use ${list}` };
}
