export { createExternalBroker, type ExternalBrokerOptions } from './external-broker.ts';
