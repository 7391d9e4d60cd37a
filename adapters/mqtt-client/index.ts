export {
  createExternalBroker,
  type ExternalBroker,
  type ExternalBrokerOptions,
  type ExternalBrokerStats,
} from './external-broker.ts';
