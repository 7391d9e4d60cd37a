import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type DevChain, startDevChain } from '../../adapters/devchain/index.ts';
import { createKeystore, openKeystore } from '../../gateway/billing/keys/keystore.ts';
import { loadConfig } from '../../gateway/config/index.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { createGateway, type Gateway } from '../../gateway/gateway.ts';
import type { Log } from '../../gateway/ports/log.ts';
import { Lifecycle, type Part } from '../../gateway/system/lifecycle.ts';
import { type ChildMessage, Children } from './children.ts';
import { firstLogin } from './login.ts';
import { Milestones } from './milestones.ts';
import { type Style, timed, welcome } from './screen.ts';
import { choosePorts, type DemoPorts, writeDemoConfig } from './setup.ts';

export interface DemoOptions {
  /** Folder of all data, also of the chain's and the upstream's. */
  readonly folder: string;
  /** Begin with empty data. */
  readonly fresh: boolean;
  /** End, successfully, once a result, a forwarded aggregate and a posted batch were seen. */
  readonly untilFirstBatch: boolean;
  /** Give up after this long, milliseconds; undefined: never. */
  readonly timeoutMs: number | undefined;
  readonly log: Log;
  readonly style: Style;
  readonly print: (line: string) => void;
}

const CHILD_READY_MS = 10_000;

/**
 * The whole thing on one machine: dev chain, upstream stand-in, gateway, simulated home and plant. Runs until `signal`
 * is aborted or, with `untilFirstBatch`, until everything was seen once. Answers whether it was.
 */
export async function runDemo(options: DemoOptions, signal: AbortSignal): Promise<boolean> {
  const { log, style, print } = options;
  const begun = performance.now();
  const folder = resolve(options.folder);
  if (options.fresh) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const { ports, moved } = await choosePorts();
  for (const line of moved) print(style.yellow(line));

  const milestones = new Milestones(style, print, begun);
  const waiting = new Map<string, () => void>();
  const children = new Children(
    (name, message: ChildMessage) => {
      if (message.kind === 'ready') waiting.get(name)?.();
      else milestones.message(message);
    },
    (name, code) => print(timed(style, style.yellow(`${name} ended with code ${code}; the rest goes on`))),
  );
  const untilReady = (name: string): Promise<void> =>
    new Promise((done, fail) => {
      waiting.set(name, done);
      AbortSignal.timeout(CHILD_READY_MS).addEventListener('abort', () =>
        fail(new GatewayError('INTERNAL', `demo: ${name} was not ready after ${CHILD_READY_MS} ms`)),
      );
    });

  const chain = await startDevChain({ dir: join(folder, 'chain'), port: ports.chain, log });
  const login = await firstLogin(folder);
  const gateway = await gatewayOn(chain, folder, ports, log).catch(async (error: unknown) => {
    await chain.stop();
    throw error;
  });

  const upstream: Part = {
    name: 'upstream',
    async start() {
      const ready = untilReady('upstream');
      children.start('upstream', ['--port', String(ports.upstream), '--db', join(folder, 'upstream.db')]);
      await ready;
    },
    stop: () => children.stop(['upstream']),
  };
  const devices: Part = {
    name: 'devices',
    async start() {
      const mqtt = `mqtt://127.0.0.1:${ports.mqtt}`;
      children.start('plant', ['--mqtt', mqtt]);
      children.start('home', ['--mqtt', mqtt, '--coap', `127.0.0.1:${ports.coap}`]);
    },
    stop: () => children.stop(['plant', 'home']),
  };
  const everything = new Lifecycle(
    [{ name: 'chain', start: async () => {}, stop: () => chain.stop() }, upstream, gateway, devices],
    log,
  );
  await everything.start(signal);
  print(welcome(style, { ports, folder, engine: chain.engine, login }));
  print(timed(style, `ready after ${((performance.now() - begun) / 1000).toFixed(1)} s`));
  const unwatch = milestones.watch(gateway);
  const complete = await ended(milestones, options, signal);
  unwatch();
  print(timed(style, 'stopping'));
  await everything.stop();
  print(timed(style, 'stopped; nothing that was acknowledged is lost'));
  return complete;
}

/** The demo's gateway with a device key that can pay for gas, not started. */
async function gatewayOn(chain: DevChain, folder: string, ports: DemoPorts, log: Log): Promise<Gateway> {
  const keys = await createKeystore(join(folder, 'keys'));
  await chain.fund((await openKeystore(keys)).address);
  const file = writeDemoConfig({
    folder,
    ports,
    chain: { rpcUrl: chain.rpcUrl, chainId: chain.chainId, ...chain.addresses },
    ...keys,
  });
  return createGateway({ ...loadConfig(file), log });
}

async function ended(milestones: Milestones, options: DemoOptions, signal: AbortSignal): Promise<boolean> {
  const ends = [new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }))];
  if (signal.aborted) ends.push(Promise.resolve());
  if (options.untilFirstBatch) ends.push(milestones.complete);
  let timer: NodeJS.Timeout | undefined;
  if (options.timeoutMs !== undefined) {
    ends.push(
      new Promise((done) => {
        timer = setTimeout(done, options.timeoutMs);
      }),
    );
  }
  await Promise.race(ends);
  clearTimeout(timer);
  if (options.untilFirstBatch && !milestones.done) {
    options.print(options.style.yellow(`not seen: ${milestones.missing().join(', ')}`));
  }
  return milestones.done || !options.untilFirstBatch;
}
