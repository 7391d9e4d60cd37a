import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  ConfigError,
  type ConfigIssue,
  issueText,
  loadConfig,
  parseConfig,
} from '../../gateway/config/index.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** Marks in a YAML text the place an issue must name: the mark itself is taken out before the text is read. */
const MARK = '»';

const problems = (text: string, options: Parameters<typeof parseConfig>[2] = {}): readonly ConfigIssue[] => {
  try {
    return parseConfig(text, '/etc/aimx/gateway.yaml', { checkFiles: false, ...options }).warnings;
  } catch (error) {
    if (error instanceof ConfigError) return error.issues;
    throw error;
  }
};

interface Case {
  readonly what: string;
  readonly yaml: string;
  readonly message: RegExp;
  readonly received?: string;
  readonly expected?: RegExp;
  readonly fix?: RegExp;
  readonly severity?: 'warning';
}

const STREAM = '{ id: temperature, fields: { value: {} } }';
const MODEL = 'window: { count: 4 }, model: anomaly@1';
const pipeline = (rest: string): string => `streams: [${STREAM}]\npipelines:\n  - { id: p, ${rest} }\n`;

const cases: readonly Case[] = [
  // values for models
  {
    what: 'a tensor without a datatype',
    yaml: 'streams:\n  - id: a\n    fields: { x: { type: »tensor } }\n',
    message: /a tensor needs its datatype/,
    fix: /datatype/,
  },
  {
    what: 'a datatype of a number',
    yaml: 'streams:\n  - id: a\n    fields: { x: { »datatype: FP32 } }\n',
    message: /"datatype" has no effect with type: number/,
  },
  {
    what: 'bytes in plain text',
    yaml: 'streams:\n  - id: a\n    decode: text\n    fields: { x: { type: »bytes } }\n',
    message: /a text payload holds no bytes/,
  },
  {
    what: 'a number in an opaque payload',
    yaml: 'streams:\n  - id: a\n    decode: bytes\n    fields: { »x: {} }\n',
    message: /one opaque value/,
    fix: /type: bytes/,
  },
  {
    what: 'windows of samples that overlap too much',
    yaml: pipeline('from: temperature, model: anomaly@1, window: { samples: 1000, every: »10 }'),
    message: /more than 32 windows/,
    expected: /at least 32/,
  },
  // YAML
  { what: 'a tab', yaml: 'gateway:\n»\tname: x\n', message: /./, fix: /spaces/ },
  { what: 'an open bracket', yaml: 'streams: [\n  { id: a }\n»', message: /./ },
  { what: 'a key twice', yaml: 'gateway: {}\nlisten: {}\n»gateway: {}\n', message: /"gateway" stands twice/ },
  // shape
  {
    what: 'an unknown key',
    yaml: '»gatewy: { name: x }\n',
    message: /did you mean "gateway"/,
    received: '"gatewy"',
    fix: /rename it to "gateway"/,
  },
  {
    what: 'a strange key',
    yaml: 'limits: { »colour: red }\n',
    message: /unknown key "colour"$/,
    fix: /remove it/,
  },
  {
    what: 'an unknown key deep inside',
    yaml: 'streams:\n  - id: a\n    fields:\n      t:\n        »uint: Cel\n',
    message: /did you mean "unit"/,
  },
  { what: 'a list for a mapping', yaml: 'gateway: »[1]\n', message: /not a mapping/, received: '[1]' },
  { what: 'a scalar for the file', yaml: '»hello\n', message: /not a mapping/ },
  {
    what: 'a quoted number',
    yaml: 'listen: { mqtt: { port: »"1883" } }\n',
    message: /not a number/,
    fix: /quotes/,
  },
  {
    what: 'a port too large',
    yaml: 'listen:\n  http:\n    port: »70000\n',
    message: /too large/,
    expected: /65535/,
  },
  {
    what: 'yes for true',
    yaml: 'auth: { anonymous: »yes }\n',
    message: /not true or false/,
    fix: /write true/,
  },
  { what: 'a missing id', yaml: 'streams:\n  - »decode: json\n', message: /"id" is missing/ },
  {
    what: 'a missing key of a nested block',
    yaml: 'streams:\n  - id: a\n    »time:\n      format: epoch-s\n',
    message: /"path" is missing/,
  },
  { what: 'an empty value', yaml: 'gateway:\n  »name:\n', message: /not a text/ },
  {
    what: 'a bad id',
    yaml: 'streams:\n  - id: »Kitchen Sink\n',
    message: /not accepted/,
    expected: /lower-case/,
  },
  {
    what: 'an enum',
    yaml: 'streams:\n  - id: a\n    decode: »senml+jsn\n',
    message: /did you mean "senml\+json"/,
  },
  { what: 'durability', yaml: 'durability: »most\n', message: /not accepted/, expected: /full, normal/ },
  { what: 'a size', yaml: 'limits: { maxQueuedBytes: »64 bananas }\n', message: /./, expected: /64KiB/ },
  { what: 'a duration', yaml: 'limits: { drainTimeout: »soon }\n', message: /./, expected: /10s/ },
  { what: 'a size of the wrong type', yaml: 'limits: { maxQueuedBytes: »[1] }\n', message: /not accepted/ },
  {
    what: 'qos 3',
    yaml: pipeline(`from: temperature, ${MODEL}, publish: { qos: »3 }`),
    message: /./,
    expected: /0, 1, 2/,
  },
  {
    what: 'an unknown statistic',
    yaml: `streams: [${STREAM}]\naggregates:\n  - { from: temperature, every: 60s, stats: [count, »avg] }\n`,
    message: /./,
    expected: /percentile/,
  },
  {
    what: 'no window kind',
    yaml: pipeline('from: temperature, window: »{}, model: m'),
    message: /./,
    expected: /exactly one of count, samples, time, session/,
  },
  {
    what: 'two window kinds',
    yaml: pipeline('from: temperature, window: »{ count: 2, time: 3s }, model: m'),
    message: /./,
    expected: /count, samples, time, session/,
  },
  {
    what: 'a typo in a window',
    yaml: pipeline('from: temperature, window: { count: 2, »evry: 1 }, model: m'),
    message: /did you mean "every"/,
  },
  {
    what: 'a sink with no kind',
    yaml: 'upstream:\n  - »id: cloud\n',
    message: /./,
    expected: /exactly one of mqtt, http, file/,
  },
  { what: 'a later version', yaml: 'version: »9\nfuture: {}\n', message: /newer gateway/ },
  {
    what: 'a bad ledger address',
    yaml: 'billing:\n  chain: { rpcUrl: "http://h", chainId: 1, ledger: »"0x12", keystore: k, passphraseFile: p }\n',
    message: /./,
  },
  // references
  { what: 'a stream twice', yaml: 'streams:\n  - id: a\n  - id: »a\n', message: /taken by streams\[0\]/ },
  {
    what: 'a pipeline named like a stream',
    yaml: `streams: [${STREAM}]\npipelines:\n  - { id: »temperature, from: temperature, ${MODEL} }\n`,
    message: /taken by streams\[0\]/,
  },
  {
    what: 'an upstream twice',
    yaml: 'upstream:\n  - { id: a, file: { path: x } }\n  - { id: »a, file: { path: y } }\n',
    message: /taken/,
  },
  {
    what: 'an aggregate twice',
    yaml: `streams: [${STREAM}]\naggregates:\n  - { from: temperature, every: 60s }\n  - »{ from: temperature, every: 60s }\n`,
    message: /temperature-60s" is taken/,
  },
  {
    what: 'an unknown source',
    yaml: pipeline(`from: »temperatur, ${MODEL}`),
    message: /did you mean "temperature"/,
  },
  {
    what: 'an unknown stream in a join',
    yaml: pipeline(`from: [temperature, »humidity], ${MODEL}`),
    message: /no stream "humidity"/,
  },
  {
    what: 'a pipeline in a join',
    yaml: `streams: [${STREAM}]\npipelines:\n  - { id: p, from: temperature, ${MODEL} }\n  - { id: q, from: [temperature, »p], ${MODEL} }\n`,
    message: /no stream "p"/,
  },
  {
    what: 'join with one stream',
    yaml: pipeline(`from: temperature, »join: { within: 1s }, ${MODEL}`),
    message: /several streams/,
  },
  { what: 'a pipeline of itself', yaml: pipeline(`from: »p, ${MODEL}`), message: /own output: p ← p/ },
  {
    what: 'an aggregate of nothing',
    yaml: 'aggregates:\n  - { from: »nothing, every: 60s }\n',
    message: /no stream "nothing"/,
  },
  {
    what: 'a malformed model',
    yaml: pipeline('from: temperature, window: { count: 2 }, model: »"a@b@c"'),
    message: /not a model reference/,
  },
  {
    what: 'a model that is not installed',
    yaml: pipeline('from: temperature, window: { count: 2 }, model: »anomaly@2'),
    message: /not installed/,
    expected: /anomaly@1\.0\.0/,
  },
  {
    what: 'an unknown field of a pipeline',
    yaml: pipeline(`from: temperature, fields: [»valeu], ${MODEL}`),
    message: /did you mean "value"/,
  },
  {
    what: 'an unknown field of an aggregate',
    yaml: `streams: [${STREAM}]\naggregates:\n  - { from: temperature, every: 60s, fields: [value, »x] }\n`,
    message: /no field "x"/,
  },
  // topics
  {
    what: 'a wildcard inside a level',
    yaml: 'streams:\n  - { id: a, from: { mqtt: »plant/x+/t } }\n',
    message: /stand alone/,
  },
  {
    what: '# in the middle',
    yaml: 'streams:\n  - { id: a, from: { mqtt: »"plant/#/t" } }\n',
    message: /at the end/,
  },
  {
    what: 'half a capture',
    yaml: 'streams:\n  - { id: a, from: { mqtt: »"plant/m{device}/t" } }\n',
    message: /whole level/,
  },
  {
    what: 'a capture twice',
    yaml: 'streams:\n  - { id: a, from: { mqtt: [x/y, »"{device}/{device}"] } }\n',
    message: /stands twice/,
  },
  {
    what: 'the gateway’s own topics',
    yaml: 'streams:\n  - { id: a, from: { mqtt: »aimx/result/x } }\n',
    message: /own/,
  },
  { what: '$SYS', yaml: 'streams:\n  - { id: a, from: { mqtt: »$SYS/x } }\n', message: /broker/ },
  {
    what: 'a CoAP path without slash',
    yaml: 'streams:\n  - { id: a, from: { coap: »plant/x } }\n',
    message: /begins with "\/"/,
  },
  {
    what: 'a CoAP wildcard',
    yaml: 'streams:\n  - { id: a, from: { coap: »/plant/+ } }\n',
    message: /no wildcards/,
  },
  {
    what: 'the gateway’s own paths',
    yaml: 'streams:\n  - { id: a, from: { coap: »/r/x } }\n',
    message: /own/,
  },
  {
    what: 'the topics of another stream',
    yaml: 'streams:\n  - { id: a, from: { mqtt: "x/{device}" } }\n  - { id: b, from: { mqtt: »x/+ } }\n',
    message: /same topics as "x\/\{device\}" of the stream a/,
  },
  {
    what: 'a topic that two streams can match',
    yaml: 'streams:\n  - { id: a, from: { mqtt: "x/{device}" } }\n  - { id: b, from: { mqtt: »"x/#" } }\n',
    message: /of the stream a/,
    severity: 'warning',
  },
  {
    what: 'an unknown placeholder',
    yaml: pipeline(`from: temperature, ${MODEL}, publish: { topic: »"x/{dev}" }`),
    message: /\{dev\} is not known/,
  },
  {
    what: 'a wildcard to publish to',
    yaml: pipeline(`from: temperature, ${MODEL}, publish: { topic: »x/+ }`),
    message: /no wildcards/,
  },
  {
    what: 'an unknown upstream placeholder',
    yaml: 'upstream:\n  - { id: c, mqtt: { url: mqtt://h, topic: »"{stream}/x" } }\n',
    message: /\{stream\}/,
  },
  {
    what: 'a feedback topic',
    yaml: `streams: [{ id: a, from: { mqtt: "x/{device}" } }]\npipelines:\n  - { id: p, from: a, ${MODEL}, publish: { topic: »"x/{device}" } }\n`,
    message: /takes as readings/,
    severity: 'warning',
  },
  {
    what: 'an expression',
    yaml: pipeline(`from: temperature, ${MODEL}, publish: { when: »"score >=" }`),
    message: /column 9|expected|end/,
  },
  // decoders
  {
    what: 'raw without decode: raw',
    yaml: 'streams:\n  - { id: a, »raw: { type: int16 } }\n',
    message: /no effect/,
  },
  {
    what: 'csv without decode: csv',
    yaml: 'streams:\n  - id: a\n    decode: text\n    »csv: {}\n',
    message: /no effect/,
  },
  {
    what: 'min above max',
    yaml: 'streams:\n  - { id: a, fields: { t: { min: 5, max: »-5 } } }\n',
    message: /above min/,
  },
  {
    what: 'a range on a text',
    yaml: 'streams:\n  - { id: a, fields: { t: { type: string, »min: 5 } } }\n',
    message: /needs a number/,
  },
  {
    what: 'more fields than channels',
    yaml: 'streams:\n  - { id: a, decode: raw, raw: { channels: 1 }, fields: { x: {}, »y: {} } }\n',
    message: /1 channel,/,
  },
  {
    what: 'a channel that is not there',
    yaml: 'streams:\n  - { id: a, decode: raw, raw: { channels: 3 }, fields: { x: { channel: »3 } } }\n',
    message: /3 channels/,
  },
  {
    what: 'a path with wildcards',
    yaml: 'streams:\n  - { id: a, fields: { t: { path: »"$.a[*]" } } }\n',
    message: /not understood at character 4/,
  },
  {
    what: 'time in raw samples',
    yaml: 'streams:\n  - { id: a, decode: raw, »time: { path: $.t } }\n',
    message: /holds no time/,
  },
  // windows
  {
    what: 'a window of no time',
    yaml: pipeline('from: temperature, window: { time: »0s }, model: m'),
    message: /nothing/,
  },
  {
    what: 'gaps',
    yaml: pipeline('from: temperature, window: { count: 2, every: »3 }, model: anomaly'),
    message: /never looked at/,
    severity: 'warning',
  },
  {
    what: 'too many windows',
    yaml: pipeline('from: temperature, window: { time: 1d, every: »1s }, model: m'),
    message: /86400 windows/,
  },
  {
    what: 'aggregates of no time',
    yaml: `streams: [${STREAM}]\naggregates:\n  - { from: temperature, every: »0 }\n`,
    message: /nothing/,
  },
  // network
  {
    what: 'open to the world',
    yaml: 'listen: { host: 0.0.0.0 }\nauth: { anonymous: »true }\n',
    message: /could come in/,
  },
  { what: 'one port for two doors', yaml: 'listen:\n  http: { port: »1883 }\n', message: /share port 1883/ },
  {
    what: 'a strange scheme',
    yaml: 'upstream:\n  - { id: c, mqtt: { url: »ftp://x } }\n',
    message: /address/,
  },
  {
    what: 'a password in an address',
    yaml: 'broker: { url: »"mqtt://u:hunter2@h" }\n',
    message: /logs/,
    received: '"mqtt://…@h"',
  },
  {
    what: 'upstream QoS 0',
    yaml: 'upstream:\n  - { id: c, mqtt: { url: mqtt://h, qos: »0 } }\n',
    message: /acknowledges/,
    severity: 'warning',
  },
];

describe('every mistake is reported where it stands', () => {
  const options = {
    models: [{ name: 'anomaly', version: '1.0.0' }],
  };
  it.each(cases.map((c) => [c.what, c] as const))('%s', (_, c) => {
    const before = c.yaml.slice(0, c.yaml.indexOf(MARK));
    const lines = before.split('\n');
    const at = `${lines.length}:${lines.at(-1)!.length + 1}`;
    const found = problems(c.yaml.replace(MARK, ''), options);
    const text = found.map(issueText).join('\n');
    const issue = found.find((i) => `${i.line}:${i.column}` === at && c.message.test(i.message));
    expect(issue, `no issue at ${at} in:\n${text}`).toBeDefined();
    expect(issue!.severity, text).toBe(c.severity ?? 'error');
    if (c.received !== undefined) expect(issue!.received).toBe(c.received);
    if (c.expected) expect(issue!.expected).toMatch(c.expected);
    if (c.fix) expect(issue!.fix).toMatch(c.fix);
    expect(issue!.fix).not.toBe('');
    expect(text).not.toContain('hunter2');
  });

  it('all of them at once, in the order of the file', () => {
    const found = problems(
      'gatewy: {}\nlisten: { mqtt: { port: "1883" } }\nstreams:\n  - { id: a, decode: jsn }\npipelines:\n  - { id: p, from: b, window: { count: 0 }, model: m, publish: { topic: "x/{d}" } }\n',
    );
    expect(found.map((i) => i.path)).toEqual([
      'gatewy',
      'listen.mqtt.port',
      'streams[0].decode',
      'pipelines[0].from',
      'pipelines[0].window.count',
      'pipelines[0].publish.topic',
    ]);
  });
});

describe('a valid file', () => {
  it('has defaults, bytes, milliseconds and absolute paths', () => {
    const { config, warnings } = parseConfig(
      [
        'gateway: { name: plant-7, dataDir: ./data }',
        'streams:',
        '  - id: t',
        '    from: { mqtt: "plant/{device}/t", coap: "/plant/{device}/t" }',
        '    fields: { value: { path: $.t, unit: Cel, min: -50, max: 400 } }',
        '    journal: { maxBytes: 256MiB, maxAge: 30d }',
        'upstream:',
        '  - { id: disk, file: { path: out/records.ndjson } }',
      ].join('\n'),
      '/etc/aimx/gateway.yaml',
    );
    expect(warnings).toEqual([]);
    expect(config.gateway.dataDir).toBe('/etc/aimx/data');
    expect(config.models.dir).toBe('/etc/aimx/data/models');
    expect(config.upstream[0]!.file!.path).toBe('/etc/aimx/out/records.ndjson');
    expect(config.streams[0]!.journal).toEqual({
      maxBytes: 256 * 1024 ** 2,
      maxAge: 30 * 86_400_000,
      whenFull: 'drop-oldest',
    });
  });

  it('may be empty', () => {
    expect(parseConfig('', '/x/gateway.yaml').config.listen.mqtt.port).toBe(1883);
    expect(parseConfig('# nothing\n', '/x/gateway.yaml').config.streams).toEqual([]);
  });

  it('accepts a version prefix of an installed model', () => {
    const models = [{ name: 'anomaly', version: '1.0.0' }];
    expect(problems(pipeline(`from: temperature, ${MODEL}`), { models })).toEqual([]);
  });
});

describe('files', () => {
  it('must exist, and secrets must be private', () => {
    const folder = temporaryFolder();
    const file = join(folder, 'gateway.yaml');
    writeFileSync(join(folder, 'passphrase'), 'x', { mode: 0o644 });
    chmodSync(join(folder, 'passphrase'), 0o644);
    writeFileSync(
      file,
      'billing:\n  chain: { rpcUrl: "http://h:1", chainId: 1, keystore: ./nowhere.json, passphraseFile: ./passphrase }\n',
    );
    const issues = ((): readonly ConfigIssue[] => {
      try {
        return loadConfig(file).warnings;
      } catch (error) {
        return (error as ConfigError).issues;
      }
    })();
    expect(issues.map((i) => [i.path, i.message.replace(folder, '')])).toEqual([
      ['billing.chain.keystore', 'there is no file /nowhere.json'],
      ['billing.chain.passphraseFile', 'others may read this secret (mode 0644)'],
    ]);
    chmodSync(join(folder, 'passphrase'), 0o400);
    writeFileSync(join(folder, 'nowhere.json'), '{}', { mode: 0o600 });
    expect(loadConfig(file).config.billing?.chain?.keystore).toBe(join(folder, 'nowhere.json'));
  });

  it('says plainly when there is no configuration', () => {
    expect(() => loadConfig('/nowhere/gateway.yaml')).toThrow(/cannot read \/nowhere\/gateway.yaml/);
  });
});

describe('hostile text', () => {
  it('is reported, never thrown as something else', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n`;
    for (const text of [
      bomb,
      '%',
      '\0',
      '{',
      '- - - -',
      '__proto__: { x: 1 }\n',
      '? [a]\n: b\n',
      '!!js/function x',
    ]) {
      expect(problems(text).filter((i) => i.severity === 'error').length, text).toBeGreaterThan(0);
    }
  });
});
