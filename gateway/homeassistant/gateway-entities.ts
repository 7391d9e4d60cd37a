import type { Config } from '../config/schema.ts';
import type { Views } from '../http/index.ts';
import { version } from '../system/version.ts';
import { commandComponents } from './commands.ts';
import { type Announcement, type Component, MAX_COMPONENTS, member, slug } from './discovery.ts';

export const GATEWAY_STATE = 'aimx/homeassistant/gateway';

/** The gateway as a device: what comes in, what is decided, what goes up, alarms, its version, and commands. */
export function gatewayAnnouncement(config: Config, page: string | undefined): Announcement {
  const id = gatewayId(config);
  const sensor = (key: string, name: string, more: object): [string, Component] => [
    key,
    {
      platform: 'sensor',
      unique_id: `${id}_${key}`,
      name,
      value_template: member(...key.split('.')),
      ...more,
    },
  ];
  const rate = (unit: string) => ({ unit_of_measurement: unit, state_class: 'measurement' });
  const diagnostic = { entity_category: 'diagnostic' };
  const entries: [string, Component][] = [
    sensor('in', 'Readings', rate('readings/s')),
    sensor('decided', 'Results', rate('results/s')),
    sensor('alarms', 'Alarms', {
      state_class: 'measurement',
      json_attributes_topic: GATEWAY_STATE,
      json_attributes_template: '{{ value_json.active | tojson }}',
    }),
    [
      'problem',
      {
        platform: 'binary_sensor',
        unique_id: `${id}_problem`,
        name: 'Problem',
        device_class: 'problem',
        value_template: member('problem'),
      },
    ],
    [
      'update',
      {
        platform: 'update',
        unique_id: `${id}_update`,
        name: 'Software',
        device_class: 'firmware',
        entity_category: 'diagnostic',
        value_template:
          "{{ {'installed_version': value_json.version, 'latest_version': value_json.latest, 'title': 'AIMX edge gateway'} | tojson }}",
      },
    ],
    ...config.streams.map(({ id: stream }) =>
      sensor(`streams.${stream}`, `Stream ${stream}`, { ...rate('readings/s'), ...diagnostic }),
    ),
    ...config.pipelines.map(({ id: pipeline }) =>
      sensor(`pipelines.${pipeline}`, `Pipeline ${pipeline}`, { ...rate('results/s'), ...diagnostic }),
    ),
    ...config.upstream.flatMap(({ id: sink }): [string, Component][] => [
      [
        `upstream.${sink}`,
        {
          platform: 'binary_sensor',
          unique_id: `${id}_upstream_${sink}`,
          name: `Uplink ${sink}`,
          device_class: 'connectivity',
          value_template: member('upstream', sink),
          ...diagnostic,
        },
      ],
      sensor(`backlog.${sink}`, `Backlog ${sink}`, { ...rate('records'), ...diagnostic }),
    ]),
  ];
  const own = entries.map(([key, component]): [string, Component] => {
    const plain = key.replaceAll('.', '_');
    return [plain, { ...component, unique_id: `${id}_${plain}` }];
  });
  return {
    objectId: id,
    stateTopic: GATEWAY_STATE,
    device: {
      identifiers: [id],
      name: config.gateway.name,
      manufacturer: 'AI Matrix',
      model: 'AIMX edge gateway',
      sw_version: version(),
      ...(page === undefined ? {} : { configuration_url: page }),
    },
    components: Object.fromEntries(
      [...commandComponents(config, id), ...own].slice(
        0,
        MAX_COMPONENTS + config.homeAssistant.commands.length,
      ),
    ),
  };
}

export const gatewayId = ({ gateway }: Config): string => `aimx_${slug(gateway.name)}`;

/** What is shown of the gateway now. */
export function gatewayState(views: Pick<Views, 'status' | 'rates'>): string {
  const status = views.status();
  const { streams, pipelines } = views.rates();
  const newest = (lists: Readonly<Record<string, readonly number[]>>): Record<string, number> =>
    Object.fromEntries(Object.entries(lists).map(([id, list]) => [id, list.at(-1) ?? 0]));
  const sum = (lists: Readonly<Record<string, readonly number[]>>): number =>
    Math.round(100 * Object.values(newest(lists)).reduce((total, one) => total + one, 0)) / 100;
  const bad = status.alarms.filter(({ severity }) => severity !== 'info');
  return JSON.stringify({
    in: sum(streams),
    decided: sum(pipelines),
    alarms: status.alarms.length,
    problem: bad.length > 0 ? 'ON' : 'OFF',
    active: Object.fromEntries(status.alarms.map(({ kind, message }) => [kind, message])),
    version: status.version,
    // What could be newer is known only to who releases it, and this gateway asks nobody.
    latest: status.version,
    streams: newest(streams),
    pipelines: newest(pipelines),
    upstream: Object.fromEntries(status.upstream.map(({ id, connected }) => [id, connected ? 'ON' : 'OFF'])),
    backlog: Object.fromEntries(status.upstream.map(({ id, backlog }) => [id, backlog])),
  });
}
