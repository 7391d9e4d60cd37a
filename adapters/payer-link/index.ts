/** Links for programs that import the payer: `@aimx/gateway/payer/links`. */
export { createHttpLink, type HttpLinkOptions } from './http.ts';
export { createMqttLink, type MqttLinkOptions } from './mqtt.ts';
