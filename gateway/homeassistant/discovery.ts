import { createHash } from 'node:crypto';
import { STATUS_TOPIC } from '../system/status-topic.ts';
import { version } from '../system/version.ts';

/** One entity of a device; further members are those of its platform. */
export interface Component {
  readonly platform: 'sensor' | 'binary_sensor' | 'button' | 'switch' | 'number' | 'text' | 'update';
  readonly unique_id: string;
  readonly name: string;
  readonly [member: string]: unknown;
}

export interface Device {
  readonly identifiers: readonly string[];
  readonly name: string;
  readonly [member: string]: unknown;
}

/** What is announced about one device, before it becomes a discovery document. */
export interface Announcement {
  /** The level of the topic that names it. */
  readonly objectId: string;
  readonly device: Device;
  readonly stateTopic: string;
  /** By component id. */
  readonly components: Readonly<Record<string, Component>>;
}

/** Entities of one device beyond which further ones are left out. */
export const MAX_COMPONENTS = 40;

/**
 * The discovery document. Components that were announced before and are not there any more stand in it with their platform
 * alone: that removes them.
 */
export function discoveryDocument(
  { device, components, stateTopic }: Announcement,
  gone: Readonly<Record<string, string>> = {},
): string {
  const removed = Object.entries(gone).map(([id, platform]) => [id, { platform }]);
  return JSON.stringify({
    device,
    origin: { name: 'AIMX edge gateway', sw_version: version() },
    availability: [{ topic: STATUS_TOPIC, value_template: '{{ value_json.state }}' }],
    state_topic: stateTopic,
    qos: 1,
    components: { ...components, ...Object.fromEntries(removed) },
  });
}

export const discoveryTopic = (prefix: string, objectId: string): string =>
  `${prefix}/device/${objectId}/config`;

/**
 * A name as Home Assistant allows it in topics and ids: letters, digits, `_` and `-`. Names that had to be changed end in a
 * few characters of their hash, so that no two become one.
 */
export function slug(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9_-]+/g, '_').slice(0, 64);
  if (plain === name) return plain;
  return `${plain}_${createHash('sha256').update(name).digest('hex').slice(0, 6)}`;
}

/** A template that reads a member of the state, whatever its name. */
export const member = (...path: readonly string[]): string =>
  `{{ value_json${path.map((step) => `[${JSON.stringify(step)}]`).join('')} }}`;
