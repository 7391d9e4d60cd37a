import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';

/**
 * The tree is the architecture: which part may import which, what lies at the top, how large a file may grow. A failure
 * here means that code went to a place where nobody would look for it.
 */

const root = join(import.meta.dirname, '..');
const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
});
const files = listed
  .split('\n')
  .filter((file) => !/^(?:node_modules)?$/.test(file) && existsSync(join(root, file)));
const sources = files.filter((file) => /^(gateway|adapters|models|deploy|flows\/host)\/.*\.ts$/.test(file));
const text = (file: string): string => readFileSync(join(root, file), 'utf8');

/** `gateway/store`, `adapters/coap`, `gateway/gateway.ts`: a folder of the second level or a file of the first. */
const partOf = (file: string): string => file.split('/').slice(0, 2).join('/');

const CORE = ['gateway/errors.ts', 'gateway/ports'];
const ADAPTER = [...CORE, 'gateway/config', 'gateway/system/backoff.ts'];
const BESIDE = ['gateway/config', 'gateway/store', 'gateway/system'];

/** What each part may import besides itself. A file is named where the rest of its part is none of the importer's business. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  'gateway/errors.ts': [],
  'gateway/ports': ['gateway/errors.ts', 'gateway/store/types.ts'],
  'gateway/store': [...CORE, 'gateway/system/trim-heap.ts'],
  'gateway/stream': [...CORE, 'gateway/store/types.ts'],
  'gateway/config': [
    'gateway/errors.ts',
    'gateway/ports/tensor.ts',
    'gateway/store/types.ts',
    'gateway/system/files.ts',
    // Pure parsers that decide what starts.
    'gateway/stream/condition.ts',
    'gateway/ingest/fields',
  ],
  'gateway/system': [...CORE, 'gateway/config', 'gateway/store'],
  'gateway/ingest': [...CORE, ...BESIDE],
  'gateway/pipeline': [...CORE, ...BESIDE, 'gateway/stream'],
  'gateway/inference': [
    ...CORE,
    'gateway/config',
    'gateway/system/decimal.ts',
    'gateway/system/files.ts',
    // The codec of the protocol that other gateways and Triton speak.
    'gateway/serving/protocol',
  ],
  'gateway/serving': [...CORE, ...BESIDE],
  'gateway/upstream': [...CORE, ...BESIDE, 'gateway/ingest/index.ts'],
  'gateway/billing': [...CORE, ...BESIDE, 'gateway/html'],
  'gateway/payer': [...CORE, 'gateway/billing', 'gateway/system/backoff.ts'],
  'gateway/security': [...CORE, 'gateway/config', 'gateway/system', 'gateway/ingest/router.ts'],
  // Both sides of the line to the flows host read the same lines.
  'gateway/flows': [
    ...CORE,
    ...BESIDE,
    'gateway/security',
    'flows/host/lines.ts',
    'flows/host/protocol.ts',
    'flows/palette',
  ],
  // The same nodes work in anybody's Node-RED.
  'flows/host': [],
  'gateway/http': [...CORE, 'gateway/config'],
  'gateway/html': [],
  'gateway/directory': [...CORE, 'gateway/billing/formats'],
  'gateway/benchmark': [...CORE, 'gateway/billing', 'gateway/html', 'gateway/inference'],
  'gateway/replay': [...CORE, 'gateway/config', 'gateway/ingest'],
  'gateway/homeassistant': [...CORE, ...BESIDE, 'gateway/http', 'gateway/stream/condition.ts'],
  'gateway/settings': ['gateway/errors.ts', 'gateway/config', 'gateway/system/files.ts', 'gateway/http'],
  'gateway/setup': [
    ...CORE,
    'gateway/config',
    'gateway/system',
    'gateway/billing/index.ts',
    'gateway/http',
    'gateway/security',
    'gateway/settings',
  ],
  'gateway/views': [
    ...CORE,
    ...BESIDE,
    'gateway/benchmark',
    'gateway/billing',
    'gateway/http',
    'gateway/inference',
    'gateway/ingest',
    'gateway/pipeline',
    'gateway/security',
    'gateway/stream/condition.ts',
    'gateway/upstream',
  ],
  // Recipes and seeded numbers; what a bundle exports is loaded from its own file.
  'gateway/tuning': [
    ...CORE,
    ...BESIDE,
    'gateway/inference',
    'gateway/ingest',
    'gateway/stream',
    'models/training',
  ],
  'gateway/commands': [
    'gateway',
    'deploy/demo/run.ts',
    // `replay` is a client of the doors, like any device.
    'adapters/coap/replay-transport.ts',
    'adapters/mqtt-client/replay-transport.ts',
    // `ledger` asks the chain itself, also while no gateway runs.
    'adapters/registry.ts',
    // `payer` is a client of gateways and a wallet on their chain.
    'adapters/evm/escrow.ts',
    'adapters/payer-link',
  ],
  'gateway/main.ts': [
    'gateway/commands',
    'gateway/system/compile-cache.ts',
    'gateway/system/process-settings.ts',
  ],
  'gateway/gateway.ts': ['gateway', 'adapters/registry.ts'],
  'adapters/registry.ts': [...ADAPTER, 'adapters', 'gateway/system/status-topic.ts'],
  'adapters/coap': ADAPTER,
  'adapters/mqtt-broker': [...ADAPTER, 'gateway/store/types.ts'],
  // Both MQTT doors read the same frames.
  'adapters/mqtt-client': [
    ...ADAPTER,
    'gateway/store/types.ts',
    'adapters/mqtt-broker/frames.ts',
    'adapters/mqtt-broker/guard.ts',
  ],
  'adapters/upstream-mqtt': ADAPTER,
  'adapters/upstream-http': ADAPTER,
  'adapters/upstream-file': ADAPTER,
  'adapters/evm': [...ADAPTER, 'deploy/contracts'],
  'adapters/payer-link': ADAPTER,
  'adapters/devchain': [...ADAPTER, 'adapters/evm', 'gateway/billing/keys/device-key.ts'],
  'models/training': [],
  'models/streaming-anomaly': ['models/training'],
  'models/streaming-anomaly-2': ['models/training'],
  'models/vibration-condition': ['models/training'],
  'models/room-comfort': ['models/training'],
  'models/multivariate-anomaly': ['models/training'],
  'deploy/demo': ['gateway', 'models', 'adapters/devchain'],
  'deploy/contracts': ['test/contracts-evm'],
  'deploy/build.ts': ['flows/palette/build.mts'],
};

const SPECIFIER = /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*|\bnew URL\(\s*)(['"`])(\.{1,2}\/[^'"`]+)\1/g;

const importsOf = (file: string): string[] =>
  [...text(file).matchAll(SPECIFIER)].map((match) => normalize(join(dirname(file), match[2]!)));

const within = (file: string, place: string): boolean => file === place || file.startsWith(`${place}/`);

test('arrows go one way', () => {
  const wrong = sources.flatMap((file) => {
    const part = partOf(file);
    const allowed = ARROWS[part];
    if (allowed === undefined) return [`${part}: say in ARROWS what it may import`];
    return importsOf(file)
      .filter((target) => !within(target, part) && !allowed.some((place) => within(target, place)))
      .map((target) => `${file} -> ${target}`);
  });
  expect(wrong).toEqual([]);
});

test('every arrow that is allowed is drawn', () => {
  const used = new Set(
    sources.flatMap((file) => importsOf(file).map((target) => `${partOf(file)} ${target}`)),
  );
  const broad = new Set([...CORE, ...BESIDE]);
  const idle = Object.entries(ARROWS).flatMap(([part, allowed]) =>
    allowed
      .filter((place) => !broad.has(place) && place !== 'gateway/system/backoff.ts')
      .filter((place) => ![...used].some((one) => one.startsWith(`${part} ${place}`)))
      .map((place) => `${part} -> ${place}`),
  );
  expect(idle).toEqual([]);
});

test('the parts that must be pure do no input or output', () => {
  const pure = sources.filter(
    (file) =>
      within(file, 'gateway/stream') || within(file, 'gateway/ingest') || within(file, 'gateway/ports'),
  );
  const doing = /from 'node:(?:fs|net|dgram|http|https|child_process|worker_threads|sqlite)/;
  expect(pure.filter((file) => doing.test(text(file)))).toEqual([]);
});

test('billing knows nothing of MQTT, and only its door knows aedes', () => {
  const naming = (pattern: RegExp, ...places: string[]): string[] =>
    sources.filter((file) => places.some((place) => within(file, place)) && pattern.test(text(file)));
  expect(naming(/mqtt/i, 'gateway/billing')).toEqual([]);
  const knowing = naming(/from 'aedes/, 'gateway', 'adapters');
  expect(knowing.filter((file) => !within(file, 'adapters/mqtt-broker'))).toEqual([]);
});

test('nothing lies at the top that does not belong there', () => {
  const top = new Set(files.map((file) => file.split('/')[0]!).filter((name) => !name.startsWith('.')));
  const allowed = [
    ...[
      'README.md',
      'CHANGELOG.md',
      'SECURITY.md',
      'LICENSE',
      'package.json',
      'package-lock.json',
      'tsconfig.json',
    ],
    ...['adapters', 'deploy', 'flows', 'gateway', 'models', 'test'],
  ];
  expect([...top].filter((name) => !allowed.includes(name))).toEqual([]);
});

test('every folder says in a page what it holds', () => {
  const folders = new Set(sources.map((file) => (file.split('/').length > 2 ? partOf(file) : dirname(file))));
  for (const part of ['gateway', 'adapters', 'models', 'deploy']) folders.add(part);
  const missing = [...folders].filter((folder) => !files.includes(`${folder}/README.md`));
  expect(missing).toEqual([]);
  const words = (file: string): number =>
    text(file)
      .split(/\s+/)
      .filter((word) => /\w/.test(word)).length;
  const long = [...folders].map((folder) => `${folder}/README.md`).filter((file) => words(file) > 1100);
  expect(long).toEqual([]);
});

test('no file is too long to be read', () => {
  const long = files
    .filter((file) => /^(?:gateway|adapters|models|deploy)\/.*\.(?:ts|css|html|sol)$/.test(file))
    .map((file) => ({ file, lines: text(file).split('\n').length - 1 }))
    .filter(({ lines }) => lines > 400);
  expect(long).toEqual([]);
});

test('nothing names the machine it was written on, or is left to be done', () => {
  const own = new URL(import.meta.url).pathname;
  const texts = files.filter(
    (file) => /\.(?:ts|md|ya?ml|json|sh|css|html|sol)$/.test(file) && file !== 'package-lock.json',
  );
  const marks = new RegExp(
    ['/ho' + 'me/[a-z]+/', '/ro' + 'ot/', '/wo' + 'rk/', 'TO' + 'DO', 'FIX' + 'ME'].join('|'),
  );
  const found = texts.filter((file) => join(root, file) !== own && marks.test(text(file)));
  expect(found).toEqual([]);
});
