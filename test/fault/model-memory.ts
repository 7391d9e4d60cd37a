/**
 * Item 6: more models than fit in memory, served together.
 *
 *     AIMX_TEST_DATA=… node test/fault/model-memory.ts --clients 8 --seconds 60 --cap 1024 --host 640
 *
 * Installs the nine networks of `onnx/light` with `models add`, and runs the gateway with `models.maxBytes` of `--host`
 * MiB. Eight clients ask for them at random. Passes when every call is answered with the expected output within its
 * deadline, and core and all model hosts together never have more than `--cap` MiB resident, pages that they share counted
 * twice. Where it may, it runs the gateway in a control group (version 1) that the kernel holds to that cap, and fails when
 * the kernel had to end a process.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { testData } from '../support/data.ts';
import { freePorts, startGatewayProcess, writeConfig } from '../support/gateway-process.ts';
import { readTensor } from '../support/onnx.ts';
import { numbers } from './arguments.ts';
import { command, Load, ModelClient, rssOf } from './model-gateway.ts';

const MIB = 2 ** 20;
/** A network that is not in memory is loaded first, after those that others wait for. */
const DEADLINE_MS = 60_000;
const GROUP = '/sys/fs/cgroup/memory/aimx-model-memory';

interface Network {
  readonly name: string;
  readonly input: { readonly name: string; readonly shape: readonly number[] };
  readonly output: string;
  readonly expected: Float32Array;
}

async function main(): Promise<boolean> {
  const options = numbers({ clients: 8, seconds: 60, cap: 1024, host: 640, seed: 1 });
  console.log(JSON.stringify(options));
  const light = testData('onnx', 'light');
  if (!light) return true;
  const folder = mkdtempSync(join(tmpdir(), 'aimx-memory-'));
  const ports = await freePorts();
  writeConfig(folder, ports, { models: { maxBytes: options.host * MIB } });
  const networks: Network[] = [];
  for (const file of readdirSync(light).filter((name) => name.endsWith('.onnx')))
    networks.push(await installed(folder, light, file));
  const gateway = await startGatewayProcess(folder, ports);
  const client = new ModelClient(gateway);
  const capped = cap(gateway.pid, options.cap * MIB);
  let most = { core: 0, host: 0, both: 0 };
  let wrong = 0;
  let worst = 0;
  const sampling = setInterval(() => {
    const core = rssOf(gateway.pid);
    const host = childrenOf(gateway.pid).reduce((sum, pid) => sum + rssOf(pid), 0);
    most = {
      core: Math.max(most.core, core),
      host: Math.max(most.host, host),
      both: Math.max(most.both, core + host),
    };
  }, 50);
  try {
    let state = options.seed;
    const load = new Load(options.clients, async () => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      const network = networks[(state >>> 8) % networks.length]!;
      const answer = await client.infer(network.name, [requestOf(network)], DEADLINE_MS);
      if (answer.status === 200) {
        const difference = differenceOf(network, answer.body.outputs as { name: string; data: number[] }[]);
        worst = Math.max(worst, difference);
        if (!(difference <= 1e-3)) wrong++;
      }
      return answer;
    });
    await new Promise((resolve) => setTimeout(resolve, options.seconds * 1000));
    await load.stop();
    const mib = (bytes: number): number => Math.round(bytes / MIB);
    const killed = capped ? killedInGroup() : 0;
    console.log(
      JSON.stringify(
        {
          models: networks.length,
          cappedBy: capped ? 'control group' : 'models.maxBytes alone',
          calls: load.calls,
          failed: load.failures.length,
          first: load.failures[0],
          wrong,
          worstRelative: worst,
          p50: load.quantile(0.5),
          p99: load.quantile(0.99),
          mostMiB: { core: mib(most.core), host: mib(most.host), both: mib(most.both) },
          ...(capped ? { kernelsMostMiB: mib(mostInGroup()), killed } : {}),
          fresh: (gateway.log().match(/model host: serving/g) ?? []).length,
          gaveWay: (gateway.log().match(/gave way/g) ?? []).length,
        },
        null,
        2,
      ),
    );
    const right = load.failures.length === 0 && wrong === 0 && load.calls > 0 && killed === 0;
    return right && most.both <= options.cap * MIB;
  } finally {
    clearInterval(sampling);
    client.close();
    await gateway.stop();
    if (capped) rmdirSync(GROUP);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function installed(folder: string, light: string, file: string): Promise<Network> {
  const { code, json } = await command(folder, 'models', 'add', join(light, file));
  if (code !== 0) throw new Error(`models add ${file}: ${JSON.stringify(json)}`);
  const { model, folder: at } = json as { model: string; folder: string };
  const yaml = readFileSync(join(at, 'model.yaml'), 'utf8');
  const [, input] = /inputs:\n\s+- name: (\S+)/.exec(yaml) ?? [];
  const [, output] = /outputs:\n\s+- name: (\S+)/.exec(yaml) ?? [];
  const { tensor } = readTensor(readFileSync(join(light, file.replace('.onnx', '_output_0.pb'))));
  return {
    name: model.split('@')[0]!,
    input: { name: input!.replaceAll(/["']/g, ''), shape: [1, 3, 224, 224] },
    output: output!.replaceAll(/["']/g, ''),
    expected: tensor.data as Float32Array,
  };
}

/** The input that the expected outputs were computed from: the backend tests' 0, 1, 2 … over their count. */
function requestOf({ input }: Network): object {
  const length = input.shape.reduce((product, d) => product * d, 1);
  return {
    name: input.name,
    datatype: 'FP32',
    shape: input.shape,
    data: Array.from({ length }, (_, i) => Math.fround(i / length)),
  };
}

/** Largest difference of an output, relative to the largest value that is expected. */
function differenceOf(
  { output, expected }: Network,
  outputs: readonly { name: string; data: number[] }[],
): number {
  const found = outputs.find(({ name }) => name === output)?.data ?? [];
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!) / scale), 0);
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The most the group ever had, with the page cache. */
const mostInGroup = (): number => Number(readFileSync(join(GROUP, 'memory.max_usage_in_bytes'), 'utf8'));

const killedInGroup = (): number =>
  Number(/^oom_kill (\d+)$/m.exec(readFileSync(join(GROUP, 'memory.oom_control'), 'utf8'))?.[1] ?? 0);

/** Puts a process and what it starts from now on into a control group of its own; false where that is not allowed. */
function cap(pid: number, bytes: number): boolean {
  if (!existsSync('/sys/fs/cgroup/memory')) return false;
  try {
    mkdirSync(GROUP, { recursive: true });
    writeFileSync(join(GROUP, 'memory.limit_in_bytes'), String(bytes));
    writeFileSync(join(GROUP, 'cgroup.procs'), String(pid));
    return true;
  } catch {
    return false;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const passed = await main();
  console.log(passed ? 'passed' : 'FAILED');
  process.exit(passed ? 0 : 1);
}
