export { createMqttBroker, type MqttBroker, type MqttBrokerOptions } from './broker.ts';
export type { TurnedAway } from './limits-alarm.ts';
