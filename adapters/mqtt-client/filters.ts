import type { StreamConfig } from '../../gateway/config/schema.ts';

/** Topic filters under which the readings of the configured streams arrive: captures become `+`. */
export function streamFilters(streams: readonly StreamConfig[]): string[] {
  const filters = new Set<string>();
  for (const stream of streams) {
    filters.add(`aimx/s/${stream.id}/+`);
    const mapped = stream.from?.mqtt ?? [];
    for (const template of typeof mapped === 'string' ? [mapped] : mapped)
      filters.add(template.replaceAll(/\{[^/{}]*\}/g, '+'));
  }
  return [...filters];
}

/** Inference requests. */
export const REQUEST_FILTER = 'aimx/infer/#';

/** Filters as subscribed: of a share group when `share` is given (MQTT 5 §4.8.2). */
export function sharedFilters(filters: readonly string[], share: string | undefined): string[] {
  return share === undefined ? [...filters] : filters.map((filter) => `$share/${share}/${filter}`);
}
