import { z } from 'zod';
import { bytes, duration } from '../units.ts';

const port = z.number().int().min(0).max(65535);

const listener = z.strictObject({ port: port.describe('0 picks a free port') });

const tlsListener = listener.extend({
  cert: z.string().describe('PEM certificate file'),
  key: z.string().describe('PEM private key file, mode 0600'),
  ca: z.string().optional().describe('PEM file of the CA whose client certificates are accepted'),
});

export const listenSection = z.strictObject({
  host: z.string().default('127.0.0.1').describe('0.0.0.0 needs auth.anonymous: false'),
  mqtt: listener.extend({ port: port.default(1883) }).prefault({}),
  mqtts: tlsListener.extend({ port: port.default(8883) }).optional(),
  coap: listener.extend({ port: port.default(5683) }).prefault({}),
  coaps: listener.extend({ port: port.default(5684) }).optional(),
  http: listener.extend({ port: port.default(8080) }).prefault({}),
});

export const brokerSection = z
  .strictObject({
    url: z
      .string()
      .describe(
        'mqtt://, mqtts://, ws:// or wss:// address of an external broker to use in place of the embedded one',
      ),
    protocol: z.enum(['3.1.1', '5']).default('5'),
    clientId: z.string().optional(),
    username: z.string().optional(),
    passwordFile: z.string().optional().describe('File with the password, mode 0400 or 0600'),
    ca: z
      .string()
      .optional()
      .describe('PEM file of the CA that signed the certificate of the broker; default: the system'),
    share: z
      .string()
      .optional()
      .describe('Share name: subscribe as $share/<name>/… to spread load over gateways'),
    receiveMaximum: z.number().int().min(1).max(65535).default(1000),
  })
  .describe('External MQTT broker');

export const limitsSection = z
  .strictObject({
    maxConnections: z.number().int().min(1).default(5000),
    maxPacketBytes: bytes
      .prefault('256KiB')
      .describe('Largest MQTT packet, CoAP body or HTTP body of a reading'),
    maxQueuedMessages: z
      .number()
      .int()
      .min(1)
      .default(1000)
      .describe('Offline queue of one persistent session'),
    maxQueuedBytes: bytes.prefault('64MiB').describe('All offline queues together'),
    maxRetained: z.number().int().min(0).default(10_000),
    maxSubscriptions: z.number().int().min(1).default(200).describe('Per client'),
    maxSessions: z.number().int().min(1).default(10_000).describe('Persistent sessions'),
    sessionExpiry: duration
      .prefault('7d')
      .describe('Persistent sessions that stay away longer are forgotten'),
    drainTimeout: duration
      .prefault('30s')
      .describe('A subscriber that takes nothing this long is disconnected'),
    maxDevices: z.number().int().min(1).default(20_000).describe('Devices of one stream'),
  })
  .describe('Bounds on everything a client can make grow');
