import type { HttpApi } from '../../gateway/http-api.ts';
import type { ModelMetadata } from '../../gateway/oip.ts';

/** What dialogs fill their lists with. */
export interface Query {
  readonly what?: string;
  /** Stream whose devices, or model whose metadata are asked for. */
  readonly of?: string;
}

interface Named {
  readonly id: string;
}

interface Status {
  readonly gateway: string;
  readonly version: string;
  readonly state: string;
  readonly aggregates: readonly (Named & { readonly from: string })[];
}

interface Pipeline extends Named {
  readonly model: string;
  readonly publish?: { readonly topic: string };
}

export interface Choice {
  readonly value: string;
  readonly label: string;
  /** Topic template that belongs to it, where the gateway tells. */
  readonly topic?: string;
}

const choices = (names: readonly string[]): Choice[] => names.map((name) => ({ value: name, label: name }));

const READERS: Readonly<Record<string, (api: HttpApi, of: string) => Promise<unknown>>> = {
  async gateway(api) {
    const { gateway, version, state } = await api.get<Status>('/api/v1/status');
    return { gateway, version, state };
  },
  async streams(api) {
    const streams =
      await api.get<readonly (Named & { readonly doors?: readonly string[] })[]>('/api/v1/streams');
    return streams.map(({ id, doors }) => {
      const own = `aimx/s/${id}/{device}`;
      // Devices use a topic of their own where there is one.
      const topics = doors?.flatMap((door) => /^mqtt (.+)$/.exec(door)?.[1] ?? []) ?? [];
      return { value: id, label: id, topic: topics.find((topic) => topic !== own) ?? own };
    });
  },
  async pipelines(api) {
    const pipelines = await api.get<readonly Pipeline[]>('/api/v1/pipelines');
    return pipelines.map(({ id, model, publish }) => ({
      value: id,
      label: `${id} (${model})`,
      topic: (publish?.topic ?? 'aimx/result/{pipeline}/{device}').replace('{pipeline}', id),
    }));
  },
  async aggregates(api) {
    const { aggregates } = await api.get<Status>('/api/v1/status');
    return aggregates.map(({ id, from }) => ({ value: id, label: `${id} (${from})` }));
  },
  async devices(api, of) {
    const query = of === '' ? '' : `&stream=${encodeURIComponent(of)}`;
    const devices = await api.get<readonly { readonly name: string }[]>(`/api/v1/devices?limit=1000${query}`);
    return choices(devices.map(({ name }) => name));
  },
  async models(api) {
    const { models } = await api.get<{ readonly models: readonly string[] }>('/v2/models');
    return choices(models);
  },
  async model(api, of) {
    const { name, versions, inputs, outputs, parameters } = await api.get<ModelMetadata>(
      `/v2/models/${encodeURIComponent(of)}`,
    );
    return { name, versions, inputs, outputs, parameters };
  },
  async alarms(api) {
    const { alarms } = await api.get<{ readonly alarms: readonly { readonly kind: string }[] }>(
      '/api/v1/status',
    );
    return choices(alarms.map(({ kind }) => kind));
  },
};

/** @throws GatewayProblem */
export async function lists(api: HttpApi, { what = '', of = '' }: Query): Promise<unknown> {
  const read = Object.hasOwn(READERS, what) ? READERS[what] : undefined;
  if (!read) throw new RangeError(`there is no list of "${what}"`);
  return await read(api, of);
}
