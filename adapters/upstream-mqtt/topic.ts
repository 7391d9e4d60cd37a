import { GatewayError } from '../../gateway/errors.ts';
import type { UpstreamRecord } from '../../gateway/ports/sink.ts';

type Part = (record: UpstreamRecord) => string;

/** Characters of a name that would change the levels of a topic or be forbidden in it [MQTT-3.3.2-2]. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
const UNSAFE = /[/+#\u0000-\u001f\u007f-\u009f]/g;
const level = (text: string): string => text.replace(UNSAFE, '_');

/**
 * Compiles a topic with `{gateway}`, `{kind}` (reading, result, aggregate, alarm, receipt), `{id}` (of the stream,
 * pipeline or aggregate) and `{device}`.
 * @throws GatewayError UPSTREAM_SINK for any other name, a wildcard or an empty topic
 */
export function compileTopic(template: string, gateway: string): (record: UpstreamRecord) => string {
  const values: Readonly<Record<string, Part>> = {
    gateway: () => level(gateway),
    kind: (record) => record.kind,
    id: (record) => level(record.source),
    device: (record) => level(record.device),
  };
  const parts = template.split(/(\{[^}]*\})/).map((text): Part => {
    const value = text.startsWith('{') ? values[text.slice(1, -1)] : undefined;
    if (value) return value;
    if (text.search(/[{}]/) >= 0 || text.replaceAll('/', '').search(UNSAFE) >= 0)
      throw invalid(template, text);
    return () => text;
  });
  if (template === '') throw invalid(template, template);
  return (record) => {
    let topic = '';
    for (const part of parts) topic += part(record);
    return topic;
  };
}

const invalid = (template: string, text: string): GatewayError =>
  new GatewayError('UPSTREAM_SINK', `upstream topic ${JSON.stringify(template)}: ${JSON.stringify(text)}`, {
    received: template,
    expected: 'a topic with {gateway}, {kind}, {id} and {device}, without wildcards',
  });
