export { createMqttBroker, type MqttBroker, type MqttBrokerOptions } from './broker.ts';
