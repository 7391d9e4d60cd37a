import { onTestFinished } from 'vitest';
import {
  createMqttBroker,
  type MqttBroker,
  type MqttBrokerOptions,
} from '../../../adapters/mqtt-broker/index.ts';
import { storeModule } from '../../../adapters/mqtt-broker/store-module.ts';
import { limitsSection } from '../../../gateway/config/schema.ts';
import type { Intake } from '../../../gateway/ports/source.ts';
import { systemClock } from '../../../gateway/system/clock.ts';
import { type ScriptedAccess, scriptedAccess } from '../../support/access.ts';
import { recordingAlarms } from '../../support/alarms.ts';
import { type RecordingIntake, recordingIntake } from '../../support/intake.ts';
import { recordingLog } from '../../support/log.ts';
import { type ModuleStore, moduleStore } from '../../support/memory-state.ts';
import { MqttSocket } from '../../support/mqtt-socket.ts';

export const defaultLimits = limitsSection.parse({});

export interface TestBroker {
  readonly broker: MqttBroker;
  readonly intake: RecordingIntake;
  readonly store: ModuleStore;
  readonly access: ScriptedAccess;
  readonly alarms: ReturnType<typeof recordingAlarms>;
  readonly log: ReturnType<typeof recordingLog>;
  readonly address: string;
  connect(options?: Record<string, unknown>): Promise<MqttSocket>;
  open(): Promise<MqttSocket>;
}

export type BrokerOverrides = Partial<Omit<MqttBrokerOptions, 'limits' | 'intake'>> & {
  limits?: Partial<MqttBrokerOptions['limits']>;
  intake?: Intake;
  store?: ModuleStore;
};

/** A broker that is not started, on a free port. */
export function buildBroker(overrides: BrokerOverrides = {}) {
  const intake = (overrides.intake as RecordingIntake | undefined) ?? recordingIntake();
  const store = overrides.store ?? moduleStore(storeModule);
  intake.runOps = (ops) => store.commit({ ops });
  const access = scriptedAccess();
  const alarms = recordingAlarms();
  const log = recordingLog();
  const broker = createMqttBroker({
    listen: { host: '127.0.0.1', mqtt: { port: 0 }, mqtts: undefined },
    access,
    clock: systemClock(),
    log,
    alarms,
    ...overrides,
    intake,
    store,
    limits: { ...defaultLimits, ...overrides.limits },
  });
  return { broker, intake, store, access, alarms, log };
}

/** A running broker that is stopped when the test has finished. */
export async function startBroker(overrides: BrokerOverrides = {}): Promise<TestBroker> {
  const built = buildBroker(overrides);
  const clients: MqttSocket[] = [];
  await built.broker.start(new AbortController().signal);
  onTestFinished(async () => {
    built.intake.release?.();
    for (const client of clients) client.end();
    await built.broker.stop();
  });
  const address = built.broker.addresses[0]!;
  const keep = (client: MqttSocket) => {
    clients.push(client);
    return client;
  };
  return {
    ...built,
    address,
    connect: async (options) => keep(await MqttSocket.connect(address, options)),
    open: async () => keep(await MqttSocket.open(address)),
  };
}
