import { hostname } from 'node:os';
import { join } from 'node:path';
import { isLoopback } from '../config/rules/network.ts';
import type { Config } from '../config/schema.ts';
import type { Views } from '../http/index.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { Outbound, Publisher } from '../ports/publisher.ts';
import type { Part } from '../system/lifecycle.ts';
import { Announced } from './announced.ts';
import { deviceAnnouncement, deviceStateTopic } from './device-entities.ts';
import { type Announcement, discoveryDocument, discoveryTopic } from './discovery.ts';
import { GATEWAY_STATE, gatewayAnnouncement, gatewayState } from './gateway-entities.ts';
import { States, type StatesParts } from './states.ts';

export { BirthIntake, birthTopic } from './birth.ts';

export interface HomeAssistantParts extends StatesParts {
  readonly config: Config;
  readonly publisher: Publisher;
  readonly views: Pick<Views, 'status' | 'rates'>;
  /** Port of the dashboard. */
  port(): number;
  readonly clock: Clock;
  readonly log: Log;
}

/** Tells Home Assistant of the gateway and its devices. See README.md for what it promises. */
export interface HomeAssistant extends Part {
  /** Home Assistant has started: everything is told again. */
  born(): void;
}

/** Messages handed to the broker at once. */
const BATCH = 50;

export function createHomeAssistant(parts: HomeAssistantParts): HomeAssistant {
  const { config, clock } = parts;
  const { enabled, prefix, every } = config.homeAssistant;
  const log = parts.log.child('homeassistant');
  let states: States | undefined;
  let announced: Announced | undefined;
  /** Documents as they were published last, by object id. */
  const told = new Map<string, string>();
  let gatewayTold = '';
  let again = false;
  let cancel: (() => void) | undefined;
  let running = Promise.resolve();
  let stopped = true;

  const publish = async (messages: readonly Outbound[]): Promise<void> => {
    for (let i = 0; i < messages.length; i += BATCH)
      await parts.publisher.publish(messages.slice(i, i + BATCH));
  };

  /** The discovery documents of what has changed: first without what is gone, then as it is. */
  const announce = (announcement: Announcement, kept: (() => void)[]): Outbound[] => {
    const { objectId, components } = announcement;
    const document = discoveryDocument(announcement);
    if (told.get(objectId) === document) return [];
    told.set(objectId, document);
    const topic = discoveryTopic(prefix, objectId);
    const gone = announced!.gone(objectId, components);
    kept.push(() =>
      announced!.note(
        objectId,
        Object.fromEntries(Object.entries(components).map(([id, { platform }]) => [id, platform])),
      ),
    );
    return [
      ...(Object.keys(gone).length === 0 ? [] : [retained(topic, discoveryDocument(announcement, gone))]),
      retained(topic, document),
    ];
  };

  const round = async (): Promise<void> => {
    const changed = await states!.collect();
    if (again) {
      again = false;
      told.clear();
      gatewayTold = '';
      for (const device of states!.devices()) changed.add(device);
    }
    /** What to remember once the broker has it. */
    const kept: (() => void)[] = [];
    const messages = announce(gatewayAnnouncement(config, pageOf(config.listen.host, parts.port())), kept);
    const state = gatewayState(parts.views);
    if (state !== gatewayTold) messages.push(retained(GATEWAY_STATE, state));
    gatewayTold = state;
    for (const device of changed) {
      const values = states!.get(device)!;
      messages.push(...announce(deviceAnnouncement(config, device, values), kept));
      messages.push(retained(deviceStateTopic(device), JSON.stringify(values)));
    }
    await publish(messages);
    for (const keep of kept) keep();
    announced!.save();
  };

  const tick = (): void => {
    running = round()
      .catch((error: unknown) => {
        // The broker is away, or stopping: the next round tells everything.
        again = true;
        log.debug({ error: String(error) }, 'homeassistant: could not tell, trying again');
      })
      .then(() => {
        if (!stopped) cancel = clock.after(every, tick);
      });
  };

  /** Takes back what earlier runs announced and this one does not. */
  const takeBack = async (keep: (objectId: string) => boolean): Promise<void> => {
    const gone = announced!.devices().filter((objectId) => !keep(objectId));
    await publish(gone.map((objectId) => retained(discoveryTopic(announced!.prefix, objectId), '')));
    for (const objectId of gone) announced!.forget(objectId);
    announced!.prefix = prefix;
    announced!.save();
  };

  return {
    name: 'home assistant',
    async start() {
      announced = new Announced(join(config.gateway.dataDir, 'homeassistant.json'), prefix);
      if (!enabled) {
        if (announced.devices().length > 0) await takeBack(() => false).catch(laterOn(log));
        return;
      }
      stopped = false;
      states = new States(parts);
      states.start();
      await states.collect();
      const present = new Set([
        gatewayAnnouncement(config, undefined).objectId,
        ...states
          .devices()
          .map((device) => deviceAnnouncement(config, device, states!.get(device)!).objectId),
      ]);
      const same = announced.prefix === prefix;
      await takeBack((objectId) => same && present.has(objectId)).catch(laterOn(log));
      again = true;
      tick();
    },
    async stop() {
      stopped = true;
      cancel?.();
      await running;
      cancel?.();
      states?.stop();
    },
    born() {
      if (stopped) return;
      again = true;
      cancel?.();
      running.then(() => {
        cancel?.();
        if (!stopped) tick();
      });
    },
  };
}

const laterOn =
  (log: Log) =>
  (error: unknown): void =>
    log.warn(
      { error: String(error) },
      'homeassistant: could not remove what is gone, trying again at the next start',
    );

/** The address of the dashboard for others; none where it answers only this machine. */
function pageOf(host: string, port: number): string | undefined {
  if (isLoopback(host)) return undefined;
  const everywhere = host === '0.0.0.0' || host === '::';
  const name = everywhere ? `${hostname()}.local` : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

const retained = (topic: string, payload: string): Outbound => ({ topic, payload, qos: 1, retain: true });
