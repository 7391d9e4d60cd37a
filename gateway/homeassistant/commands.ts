import type { Config } from '../config/schema.ts';
import type { Component } from './discovery.ts';

type Command = Config['homeAssistant']['commands'][number];

/** Entities by which people give commands to flows. The broker carries them; the gateway itself does nothing with them. */
export function commandComponents(config: Config, device: string): [string, Component][] {
  return config.homeAssistant.commands.map((command) => {
    const topic = commandTopic(config, command.id);
    return [
      `command_${command.id}`,
      {
        unique_id: `${device}_command_${command.id}`,
        name: command.name ?? command.id,
        command_topic: topic,
        ...ofKind(command, topic),
      },
    ];
  });
}

const commandTopic = ({ homeAssistant, gateway }: Config, command: string): string =>
  homeAssistant.commandTopic.replaceAll('{gateway}', gateway.name).replaceAll('{command}', command);

function ofKind(
  { kind, min, max, unit }: Command,
  topic: string,
): { readonly platform: Command['kind'] } & Readonly<Record<string, unknown>> {
  if (kind === 'button') return { platform: kind, payload_press: 'PRESS' };
  const state_topic = `${topic}/state`;
  if (kind === 'switch') return { platform: kind, state_topic, payload_on: 'ON', payload_off: 'OFF' };
  if (kind === 'text') return { platform: kind, state_topic, max: 255 };
  return {
    platform: kind,
    state_topic,
    min: min ?? 0,
    max: max ?? 100,
    ...(unit === undefined ? {} : { unit_of_measurement: unit }),
  };
}
