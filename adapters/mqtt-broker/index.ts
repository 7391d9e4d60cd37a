export { createMqttBroker, type MqttBroker, type MqttBrokerOptions } from './broker.ts';
export type { BrokerStats } from './stats.ts';
export { WEBSOCKET_PATH } from './websocket.ts';
