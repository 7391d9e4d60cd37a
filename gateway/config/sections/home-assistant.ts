import { z } from 'zod';
import { duration } from '../units.ts';
import { identifier } from './identifier.ts';

const commandSection = z.strictObject({
  id: identifier.describe('Name of the command, part of its topic'),
  name: z.string().max(100).optional().describe('What Home Assistant shows; default: the id'),
  kind: z
    .enum(['button', 'switch', 'number', 'text'])
    .default('button')
    .describe('button: PRESS; switch: ON and OFF; number and text: what was entered'),
  min: z.number().optional().describe('number: least value; default 0'),
  max: z.number().optional().describe('number: greatest value; default 100'),
  unit: z.string().max(20).optional().describe('number: unit shown'),
});

export const homeAssistantSection = z
  .strictObject({
    enabled: z
      .boolean()
      .default(false)
      .describe('Tell Home Assistant of this gateway, its devices and results, over the broker it uses'),
    prefix: z
      .string()
      .regex(/^[^+#$\0/][^+#\0]*$/, 'a topic without wildcards')
      .max(100)
      .default('homeassistant')
      .describe('Discovery prefix, as in the MQTT settings of Home Assistant'),
    every: duration
      .refine((ms) => ms >= 500, 'at least 500ms')
      .prefault('5s')
      .describe('How often changed values are told at most'),
    maxDevices: z.number().int().min(0).max(5000).default(200).describe('Devices told of; the first ones'),
    commands: z
      .array(commandSection)
      .max(100)
      .default([])
      .describe('Buttons, switches and fields that appear in Home Assistant; flows get what is entered'),
    commandTopic: z
      .string()
      .regex(/^(?!aimx\/)[^+#$\0][^+#\0]*\{command\}[^+#\0]*$/, 'a topic with {command}, not below aimx/')
      .default('home/{gateway}/command/{command}')
      .describe('Where commands go; flows answer with the new state under …/state'),
  })
  .describe('Home Assistant (MQTT discovery)');
