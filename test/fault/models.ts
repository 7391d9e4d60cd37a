/**
 * Promise 8 on a real gateway process: versions of a model are replaced under load, and bad ones are not.
 *
 *     node test/fault/models.ts --swaps 200 --clients 8 --kills 8 --seed 1
 *
 * Passes when no request fails while versions are swapped, while tampered, truncated, misfitting, greedy and endless
 * versions are offered, and while one that hangs on every input is live; when the core is never replaced; when
 * 200 swaps add at most 10 % resident memory; and when `models add`, killed at random instants, leaves no half bundle.
 */
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { scanBundles } from '../../gateway/inference/registry.ts';
import { writeBundle } from '../inference/bundles.ts';
import { loopingManifest } from '../inference/service.ts';
import {
  freePorts,
  type GatewayProcess,
  ROOT,
  startGatewayProcess,
  writeConfig,
} from '../support/gateway-process.ts';
import { expandingModel, loopingModel, mlpModel } from '../support/onnx.ts';
import { until } from '../support/until.ts';
import { numbers } from './arguments.ts';
import { command, Load, ModelClient, rssOf } from './model-gateway.ts';

const GOLDEN = { inputs: { window: [0] }, outputs: { out: 0 } };
const manifest = loopingManifest('500ms');
const WARM_CALLS = 10_000;

/** A version of the model `m` that answers its input, after `factor` times as many empty loops. */
const version = (dir: string, of: string, factor = 1, golden: object = GOLDEN): string =>
  writeBundle(dir, { name: 'm', version: of, model: loopingModel(factor), manifest, golden: [golden] });

async function main(): Promise<boolean> {
  const options = numbers({ swaps: 200, clients: 8, kills: 8, seed: 1 });
  console.log(JSON.stringify(options));
  const folder = mkdtempSync(join(tmpdir(), 'aimx-models-'));
  const models = join(folder, 'data', 'models');
  mkdirSync(models, { recursive: true });
  const ports = await freePorts();
  writeConfig(folder, ports, { models: { canary: { sample: 20 } } });
  version(models, '1');
  version(models, '2');
  const gateway = await startGatewayProcess(folder, ports);
  const client = new ModelClient(gateway);
  try {
    const swapped = await swaps(gateway, client, models, options);
    const refused = await badVersions(gateway, client, models, options.clients);
    const looped = await crashLoop(client, models, options.clients);
    const killed = await killedAdds(folder, models, options);
    return swapped && refused && looped && killed;
  } finally {
    client.close();
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const load = (client: ModelClient, clients: number, value = 0): Load =>
  new Load(clients, () =>
    client.infer('m', [{ name: 'input', datatype: 'FP32', shape: [1, 1], data: [value] }]),
  );

/** `force`: past the comparison with the live version, up to what the host itself refuses. */
const promote = (client: ModelClient, of: string, force = false) =>
  client.call('POST', `/api/v1/models/m/versions/${of}/promote`, { force });

async function swaps(
  gateway: GatewayProcess,
  client: ModelClient,
  models: string,
  options: { swaps: number; clients: number },
) {
  const running = load(client, options.clients);
  const hosts = new Set<number | null>();
  const memory = async () => {
    const { pid } = await client.hosts();
    return { core: rssOf(gateway.pid), host: rssOf(pid) };
  };
  // Under load alone the core's memory grows to its steady size; what is looked for is what swaps add to that.
  await until(() => running.calls >= WARM_CALLS, 'the first calls', 120_000);
  const before = await memory();
  const begin = performance.now();
  for (let i = 0; i < options.swaps; i++) {
    // Each is a version that no host has loaded yet, as if it had just been added; the one before last goes.
    version(models, `${10 + i}`);
    await client.call('POST', '/api/v1/models/rescan', {});
    const { status, body } = await promote(client, `${10 + i}`);
    if (status !== 200) throw new Error(`swap ${i}: ${JSON.stringify(body)}`);
    if (i >= 2) await client.call('DELETE', `/api/v1/models/m/versions/${8 + i}`);
    hosts.add((await client.hosts()).pid);
  }
  const after = await memory();
  const seconds = (performance.now() - begin) / 1000;
  await running.stop();
  const growth = (after.core + after.host) / (before.core + before.host) - 1;
  const mib = (bytes: number): number => Math.round(bytes / 2 ** 20);
  report('swaps', {
    swaps: options.swaps,
    seconds: Math.round(seconds),
    hosts: hosts.size,
    calls: running.calls,
    failed: running.failures.length,
    first: running.failures[0],
    versions: running.versions.size,
    p50: running.quantile(0.5),
    p99: running.quantile(0.99),
    coreMiB: [mib(before.core), mib(after.core)],
    hostMiB: [mib(before.host), mib(after.host)],
    growth: `${(100 * growth).toFixed(1)} %`,
  });
  return running.failures.length === 0 && growth <= 0.1;
}

/** Offers versions that must not serve, as if somebody had copied them into the folder. */
async function badVersions(gateway: GatewayProcess, client: ModelClient, models: string, clients: number) {
  await promote(client, '1');
  const running = load(client, clients);
  const file = (folder: string): string => join(folder, 'model.onnx');
  appendFileSync(file(version(models, '3.1')), 'tampered');
  truncateSync(file(version(models, '3.2')), 60);
  const parts = { name: 'm', manifest, golden: [GOLDEN] };
  writeBundle(models, { ...parts, version: '3.3', model: mlpModel([4, 3]) });
  const int64 = [{ name: 'input', datatype: 'INT64', shape: [-1, 1], from: 'window' }];
  writeBundle(models, {
    ...parts,
    version: '3.4',
    model: loopingModel(),
    manifest: { ...manifest, inputs: int64 },
  });
  const greedy = {
    rows: 1,
    inputs: [{ name: 'input', datatype: 'FP32', shape: [1], from: 'window' }],
    outputs: [{ name: 'output', datatype: 'FP32', shape: [-1], as: 'out' }],
    limits: { maxTensorBytes: '8GiB' },
  };
  const huge = { inputs: { window: [2 ** 30] }, outputs: {} };
  writeBundle(models, {
    name: 'm',
    version: '3.5',
    model: expandingModel(),
    manifest: greedy,
    golden: [huge],
  });
  version(models, '3.6', 1, { inputs: { window: [1e12] }, outputs: {} });
  const what = ['tampered', 'truncated', 'wrong shape', 'wrong type', '4 GB tensor', 'endless loop'];
  await client.call('POST', '/api/v1/models/rescan', {});
  const codes: Record<string, string> = {};
  for (const [i, name] of what.entries()) {
    const { status, body } = await promote(client, `3.${i + 1}`, true);
    const error = body.error as unknown as { code: string; message: string } | undefined;
    codes[name] = status === 200 ? 'TAKEN' : `${error?.code}: ${error?.message.slice(0, 90)}`;
  }
  await running.stop();
  const alone = [...running.versions.keys()].join() === '1';
  const alive = rssOf(gateway.pid) > 0;
  report('bad versions', {
    refused: codes,
    calls: running.calls,
    failed: running.failures.length,
    first: running.failures[0],
    alone,
    p99: running.quantile(0.99),
  });
  return (
    alive &&
    alone &&
    running.failures.length === 0 &&
    Object.values(codes).every((code) => code.startsWith('MODEL_'))
  );
}

/** A version that is right on its golden sample and hangs on everything else. */
async function crashLoop(client: ModelClient, models: string, clients: number) {
  version(models, '4', 1e12);
  await client.call('POST', '/api/v1/models/rescan', {});
  const running = load(client, clients, 1);
  const promoted = await promote(client, '4');
  const begin = performance.now();
  const live = async (): Promise<string | undefined> => {
    const rows = (await client.call('GET', '/api/v1/models')).body as unknown as {
      name: string;
      version: string;
      life: string;
    }[];
    return rows.find((row) => row.name === 'm' && row.life === 'live')?.version;
  };
  await until(async () => (await live()) === '1', 'the rollback', 60_000);
  const seconds = (performance.now() - begin) / 1000;
  await until(() => running.calls > 100, 'calls after the rollback', 60_000);
  await running.stop();
  report('crash loop', {
    promoted: promoted.status,
    rolledBackAfterSeconds: Number(seconds.toFixed(1)),
    calls: running.calls,
    failed: running.failures.length,
    first: running.failures[0],
    slowestMs: running.quantile(1),
    quarantined: readdirSync(join(models, 'quarantine')).length,
  });
  return promoted.status === 200 && running.failures.length === 0;
}

/** Kills `models add` at random instants. */
async function killedAdds(folder: string, models: string, { kills, seed }: { kills: number; seed: number }) {
  const source = writeBundle(mkdtempSync(join(tmpdir(), 'aimx-source-')), {
    name: 'large',
    model: loopingModel(),
    manifest,
    golden: [GOLDEN],
  });
  writeFileSync(join(source, 'ballast.bin'), Buffer.alloc(64 * 2 ** 20, 7));
  let state = seed;
  let installed = 0;
  for (let i = 0; i < kills; i++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    const child = spawn(process.execPath, [join(ROOT, 'gateway/main.ts'), 'models', 'add', source], {
      cwd: folder,
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const timer = setTimeout(() => child.kill('SIGKILL'), 300 + (state % 3000));
    await ended;
    clearTimeout(timer);
    const { bundles, broken } = scanBundles([models]);
    if (broken.length > 0) throw new Error(`a half bundle: ${broken[0]!.folder}`);
    const whole = bundles.find(({ manifest: { name } }) => name === 'large');
    if (!whole) continue;
    installed++;
    const complete = readFileSync(join(whole.folder, 'ballast.bin')).length === 64 * 2 ** 20;
    if (!complete) throw new Error('a bundle that is not whole');
    rmSync(whole.folder, { recursive: true });
  }
  const last = await command(folder, 'models', 'add', source);
  const left = readdirSync(models).filter((name) => name.startsWith('.'));
  rmSync(join(source, '..'), { recursive: true, force: true });
  report('killed adds', {
    kills,
    installedBeforeTheKill: installed,
    addedAfter: last.code === 0,
    left: left.length,
  });
  return last.code === 0 && left.length === 0;
}

const report = (what: string, figures: object): void =>
  console.log(JSON.stringify({ what, ...figures }, null, 2));

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const passed = await main();
  console.log(passed ? 'passed' : 'FAILED');
  process.exit(passed ? 0 : 1);
}
