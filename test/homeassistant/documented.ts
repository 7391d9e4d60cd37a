import { z } from 'zod';

/**
 * What Home Assistant documents for device discovery: anything else in a document would be refused or not be understood.
 * https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
 */

const template = z.string().regex(/^\{\{ .+ \}\}$/);
const topic = z.string().regex(/^[^+#\0]+$/);
const entity = {
  unique_id: z.string().regex(/^[A-Za-z0-9_-]+$/),
  name: z.string().min(1),
  entity_category: z.enum(['config', 'diagnostic']).optional(),
};
const state = {
  value_template: template,
  json_attributes_topic: topic.optional(),
  json_attributes_template: template.optional(),
};
const command = { command_topic: topic, state_topic: topic.optional() };

const component = z.discriminatedUnion('platform', [
  z.strictObject({
    platform: z.literal('sensor'),
    ...entity,
    ...state,
    unit_of_measurement: z.string().optional(),
    device_class: z.string().optional(),
    state_class: z.enum(['measurement', 'total', 'total_increasing']).optional(),
  }),
  z.strictObject({
    platform: z.literal('binary_sensor'),
    ...entity,
    ...state,
    device_class: z.enum(['problem', 'connectivity']).optional(),
  }),
  z.strictObject({ platform: z.literal('update'), ...entity, ...state, device_class: z.literal('firmware') }),
  z.strictObject({
    platform: z.literal('button'),
    ...entity,
    command_topic: topic,
    payload_press: z.string(),
  }),
  z.strictObject({
    platform: z.literal('switch'),
    ...entity,
    ...command,
    payload_on: z.string(),
    payload_off: z.string(),
  }),
  z.strictObject({
    platform: z.literal('number'),
    ...entity,
    ...command,
    min: z.number(),
    max: z.number(),
    unit_of_measurement: z.string().optional(),
  }),
  z.strictObject({ platform: z.literal('text'), ...entity, ...command, max: z.number().max(255) }),
]);

/** A platform alone takes the component back. */
const removed = z.strictObject({ platform: z.string() });

export const documented = z.strictObject({
  device: z.strictObject({
    identifiers: z.array(z.string()).min(1),
    name: z.string(),
    manufacturer: z.string(),
    model: z.string(),
    sw_version: z.string().optional(),
    via_device: z.string().optional(),
    configuration_url: z.url().optional(),
  }),
  origin: z.strictObject({ name: z.string(), sw_version: z.string() }),
  availability: z.array(z.strictObject({ topic, value_template: template })),
  state_topic: topic,
  qos: z.literal(1),
  components: z.record(z.string().regex(/^[A-Za-z0-9_-]+$/), z.union([component, removed])),
});
