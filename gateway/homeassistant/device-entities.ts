import type { Config } from '../config/schema.ts';
import { type Announcement, type Component, MAX_COMPONENTS, member, slug } from './discovery.ts';
import { gatewayId } from './gateway-entities.ts';
import { type Quantity, quantityOf } from './units.ts';

/** The newest values of one device, as its state topic shows them. */
export interface DeviceState {
  /** By stream, then by field. */
  readonly readings: Readonly<Record<string, Readonly<Record<string, number | string | boolean>>>>;
  /** By pipeline, then by output; `notable` tells whether `publish.when` holds. */
  readonly results: Readonly<Record<string, Readonly<Record<string, number | string | boolean>>>>;
}

export const deviceStateTopic = (device: string): string => `aimx/homeassistant/device/${slug(device)}`;

/** A device with the fields it has sent and what pipelines said of it. */
export function deviceAnnouncement(config: Config, device: string, state: DeviceState): Announcement {
  const objectId = `${gatewayId(config)}_${slug(device)}`;
  const components: [string, Component][] = [];
  const add = (
    platform: 'sensor' | 'binary_sensor',
    path: readonly string[],
    name: string,
    more: object,
  ): void => {
    const key = slug(path.join('_'));
    if (components.length >= MAX_COMPONENTS) return;
    components.push([key, { platform, unique_id: `${objectId}_${key}`, name, ...more }]);
  };
  for (const [stream, fields] of Object.entries(state.readings)) {
    for (const [field, value] of Object.entries(fields)) {
      const name = field === 'value' ? stream : `${stream} ${field}`;
      addValue(add, ['readings', stream, field], name, value, quantityOf(unitOf(config, stream, field)));
    }
  }
  for (const [pipeline, outputs] of Object.entries(state.results)) {
    for (const [output, value] of Object.entries(outputs)) {
      const path = ['results', pipeline, output];
      if (output === 'notable')
        add('binary_sensor', path, pipeline, { device_class: 'problem', value_template: onOff(path) });
      else addValue(add, path, `${pipeline} ${output}`, value, {});
    }
  }
  return {
    objectId,
    stateTopic: deviceStateTopic(device),
    device: {
      identifiers: [objectId],
      name: device,
      manufacturer: 'AI Matrix',
      model: 'Device of an AIMX edge gateway',
      via_device: gatewayId(config),
    },
    components: Object.fromEntries(components),
  };
}

type Add = (
  platform: 'sensor' | 'binary_sensor',
  path: readonly string[],
  name: string,
  more: object,
) => void;

function addValue(
  add: Add,
  path: readonly string[],
  name: string,
  value: number | string | boolean,
  quantity: Quantity,
): void {
  if (typeof value === 'boolean') add('binary_sensor', path, name, { value_template: onOff(path) });
  else if (typeof value === 'string') add('sensor', path, name, { value_template: member(...path) });
  else {
    // Home Assistant has no measurements of energy: it is a total.
    const state_class = quantity.device_class === 'energy' ? 'total' : 'measurement';
    add('sensor', path, name, { value_template: member(...path), state_class, ...quantity });
  }
}

const onOff = (path: readonly string[]): string =>
  `{{ 'ON' if value_json${path.map((step) => `[${JSON.stringify(step)}]`).join('')} else 'OFF' }}`;

const unitOf = ({ streams }: Config, stream: string, field: string): string | undefined =>
  streams.find(({ id }) => id === stream)?.fields?.[field]?.unit;
