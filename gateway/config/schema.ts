import { z } from 'zod';
import { bytes, duration } from './units.ts';

/**
 * The one schema of gateway.yaml: validation, defaults, JSON Schema (`check --schema`) and the types of the
 * parsed configuration all come from here. Each setting carries its description; sizes become bytes and durations
 * milliseconds while parsing.
 */

const identifier = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9_-]{0,63}$/,
    'lower-case letters, digits, "-" and "_", at most 64, starting with a letter or digit',
  );

const port = z.number().int().min(0).max(65535);

const listener = z.strictObject({ port: port.describe('0 picks a free port') });

const tlsListener = listener.extend({
  cert: z.string().describe('PEM certificate file'),
  key: z.string().describe('PEM private key file, mode 0600'),
  ca: z.string().optional().describe('PEM file of the CA whose client certificates are accepted'),
});

export const gatewaySection = z.strictObject({
  name: identifier.default('gateway').describe('Name of this gateway, part of every record id'),
  dataDir: z
    .string()
    .default('./data')
    .describe('Folder of the journal and all state; relative to this file'),
  location: z
    .strictObject({ latitude: z.number().min(-90).max(90), longitude: z.number().min(-180).max(180) })
    .optional(),
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

const fieldType = z.enum(['number', 'string', 'boolean', 'array']);

export const fieldSection = z.strictObject({
  path: z
    .string()
    .optional()
    .describe(
      'JSONPath ($.a.b[0]) in json and cbor; column name in csv; record name in SenML; default: the name of the field',
    ),
  unit: z
    .string()
    .optional()
    .describe(
      'SenML unit symbol (Cel, %RH, m/s2); readings of another convertible unit are converted, of another kind rejected',
    ),
  min: z.number().optional(),
  max: z.number().optional(),
  type: fieldType.default('number'),
  optional: z.boolean().default(false).describe('Whether a reading without this field is accepted'),
  scale: z.number().optional().describe('value = raw × scale + offset'),
  offset: z.number().optional(),
  channel: z.number().int().min(0).optional().describe('raw: which interleaved channel'),
});

export const streamSection = z.strictObject({
  id: identifier,
  from: z
    .strictObject({
      mqtt: z
        .union([z.string(), z.array(z.string())])
        .optional()
        .describe('Topic with {device} and other captures; + and trailing # allowed'),
      coap: z
        .union([z.string(), z.array(z.string())])
        .optional()
        .describe('Path with captures'),
    })
    .optional()
    .describe('Besides the default doors aimx/s/<stream>/<device> and /s/<stream>/<device>'),
  decode: z.enum(['json', 'text', 'csv', 'cbor', 'senml+json', 'senml+cbor', 'raw']).default('json'),
  raw: z
    .strictObject({
      type: z
        .enum(['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'float32', 'float64'])
        .default('float32'),
      channels: z.number().int().min(1).max(64).default(1).describe('Interleaved channels'),
    })
    .optional(),
  csv: z
    .strictObject({
      delimiter: z.string().length(1).default(','),
      columns: z
        .array(z.string())
        .optional()
        .describe('Column names; default: the first line of each payload'),
    })
    .optional(),
  fields: z
    .record(z.string(), fieldSection)
    .optional()
    .describe('Default: every scalar of the payload; a bare value is named "value"'),
  time: z
    .strictObject({
      path: z.string(),
      format: z.enum(['epoch-ms', 'epoch-s', 'iso8601']).default('epoch-ms'),
      zone: z.enum(['utc']).default('utc'),
    })
    .optional()
    .describe('Event time; default: the time of arrival'),
  journal: z
    .strictObject({
      maxBytes: bytes.prefault('256MiB'),
      maxAge: duration.prefault('30d'),
      whenFull: z.enum(['drop-oldest', 'reject-new']).default('drop-oldest'),
    })
    .prefault({}),
});

export const windowSection = z.union([
  z.strictObject({
    count: z.number().int().min(1).max(1_000_000).describe('Readings in a window'),
    every: z.number().int().min(1).optional().describe('Readings between windows; default: count (tumbling)'),
  }),
  z.strictObject({
    time: duration.describe('Length of a window'),
    every: duration.optional().describe('Between starts of windows; default: time (tumbling)'),
    by: z.enum(['event', 'arrival']).default('event'),
    lateness: duration.prefault('0s').describe('How late a reading may be, in event time, and still count'),
    rows: z
      .number()
      .int()
      .min(1)
      .optional()
      .describe('Resample to this many rows when the model wants a fixed number'),
  }),
  z.strictObject({
    session: duration.describe('A window ends after this long without a reading'),
    by: z.enum(['event', 'arrival']).default('event'),
    max: z.number().int().min(1).default(10_000).describe('Most readings in a session'),
    rows: z.number().int().min(1).optional(),
  }),
]);

export const pipelineSection = z.strictObject({
  id: identifier,
  from: z
    .union([identifier, z.array(identifier).min(2)])
    .describe('A stream, another pipeline, or several streams joined by time'),
  join: z
    .strictObject({
      within: duration.prefault('1s').describe('Readings this close in time belong together'),
      on: z
        .enum(['device', 'none'])
        .default('device')
        .describe('none: readings of all devices join into one vector'),
      mode: z.enum(['nearest', 'last']).default('nearest'),
    })
    .optional(),
  key: z.enum(['device', 'none']).default('device'),
  fields: z
    .array(z.string())
    .optional()
    .describe('Columns handed to the model, in order; default: what the model declares'),
  window: windowSection,
  model: z.string().describe('name or name@version of an installed bundle'),
  deadline: duration.optional().describe('A window that waits longer for the model is shed'),
  queue: z
    .strictObject({
      max: z.number().int().min(1).default(10_000),
      whenFull: z
        .enum(['wait', 'drop-oldest'])
        .default('wait')
        .describe('wait: windows stay in the journal until the model keeps up'),
    })
    .prefault({}),
  publish: z
    .strictObject({
      topic: z.string().optional().describe('Default aimx/result/<pipeline>/<device>'),
      qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(1),
      retain: z.boolean().default(false),
      when: z
        .string()
        .optional()
        .describe('Only results for which this holds: score >= 0.9 and label == "fault"'),
    })
    .prefault({}),
  keep: z
    .strictObject({ maxBytes: bytes.prefault('64MiB'), maxAge: duration.prefault('7d') })
    .prefault({})
    .describe('Retention of the results'),
});

export const aggregateSection = z.strictObject({
  id: identifier.optional().describe('Default: the stream and the length: machine-temperature-60s'),
  from: identifier,
  every: duration,
  stats: z
    .array(
      z
        .string()
        .regex(
          /^(count|min|max|mean|stddev|sum|last|first|p\d{1,2}(\.\d+)?)$/,
          'count, min, max, mean, stddev, sum, first, last or a percentile such as p95',
        ),
    )
    .min(1)
    .default(['count', 'min', 'max', 'mean', 'last']),
  fields: z.array(z.string()).optional(),
  by: z.enum(['event', 'arrival']).default('event'),
  lateness: duration.prefault('0s'),
});

const upstreamKind = z.enum(['readings', 'results', 'aggregates', 'alarms', 'receipts']);

export const upstreamSection = z
  .strictObject({
    id: identifier,
    mqtt: z
      .strictObject({
        url: z.string(),
        topic: z.string().default('up/{gateway}/{kind}/{id}/{device}'),
        qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(1),
        protocol: z.enum(['3.1.1', '5']).default('3.1.1'),
        clientId: z.string().optional(),
        username: z.string().optional(),
        passwordFile: z.string().optional(),
        inFlight: z.number().int().min(1).max(10_000).default(100),
      })
      .optional(),
    http: z
      .strictObject({
        url: z.string(),
        timeout: duration.prefault('10s'),
        batch: z.number().int().min(1).max(10_000).default(100),
        bearerFile: z.string().optional().describe('File with a bearer token'),
      })
      .optional(),
    file: z
      .strictObject({
        path: z.string(),
        maxBytes: bytes.prefault('64MiB'),
        keep: z.number().int().min(1).default(5),
      })
      .optional(),
    send: z.array(upstreamKind).min(1).default(['aggregates', 'results']),
    buffer: z
      .strictObject({
        maxBytes: bytes.prefault('512MiB'),
        whenFull: z.enum(['drop-oldest', 'reject-new']).default('drop-oldest'),
      })
      .prefault({}),
  })
  .refine((u) => [u.mqtt, u.http, u.file].filter((x) => x !== undefined).length === 1, {
    message: 'exactly one of mqtt, http, file',
  });

export const billingSection = z.strictObject({
  chain: z
    .strictObject({
      rpcUrl: z.string(),
      chainId: z.number().int().min(1),
      ledger: z
        .string()
        .regex(/^0x[0-9a-fA-F]{40}$/)
        .optional()
        .describe('Address of the ledger contract; absent: `ledger deploy` on a dev chain'),
      keystore: z.string().describe('Keystore V3 file of the device key'),
      passphraseFile: z.string().describe('File with its passphrase, mode 0400'),
      confirmations: z
        .number()
        .int()
        .min(0)
        .default(2)
        .describe('Depth that counts as final where the chain has no finalized tag'),
      token: z
        .string()
        .regex(/^0x[0-9a-fA-F]{40}$/)
        .optional()
        .describe('Address of the AIMX token; part of the terms of every channel'),
      replaceAfter: duration
        .prefault('90s')
        .describe('A transaction that waits longer is replaced by one that pays more'),
      maxFeeGwei: z
        .number()
        .positive()
        .max(1_000_000)
        .default(200)
        .describe('Fee per gas that is never exceeded; posting waits and an alarm is raised'),
    })
    .optional(),
  tariff: z.string().optional().describe('Tariff file (JSON)'),
  batch: z
    .strictObject({
      maxReceipts: z.number().int().min(1).max(100_000).prefault(10_000),
      maxAge: duration
        .prefault('24h')
        .describe('A batch is posted at the latest this long after its first receipt'),
      idle: duration
        .optional()
        .describe(
          'Post whatever there is once this long has passed since the last post; default: 30s on a dev chain (31337), else only maxReceipts and maxAge count',
        ),
    })
    .prefault({}),
  keep: duration
    .prefault('90d')
    .describe(
      'Receipts older than this are removed once the chain holds them for good (without a chain: by age alone)',
    ),
  coalesce: z
    .strictObject({
      above: z
        .number()
        .int()
        .min(0)
        .default(1000)
        .describe(
          'Inferences per second of one account above which those of one commit share a receipt (quantity n); the price is the same',
        ),
    })
    .prefault({}),
});

export const configSchema = z.strictObject({
  version: z.literal(1).default(1).describe('Version of this file format; the gateway migrates older ones'),
  gateway: gatewaySection.prefault({}),
  listen: listenSection.prefault({}),
  auth: z.strictObject({ anonymous: z.boolean().default(false).describe('Only on loopback') }).prefault({}),
  broker: brokerSection.optional(),
  limits: limitsSection.prefault({}),
  durability: z
    .enum(['full', 'normal'])
    .default('full')
    .describe('full: fsync before every acknowledgement; normal: survives kill, not power loss'),
  models: z
    .strictObject({
      dir: z
        .string()
        .optional()
        .describe('Folder of installed bundles; default <dataDir>/models, besides the bundled ones'),
    })
    .prefault({}),
  streams: z.array(streamSection).default([]),
  pipelines: z.array(pipelineSection).default([]),
  aggregates: z.array(aggregateSection).default([]),
  upstream: z.array(upstreamSection).default([]),
  billing: billingSection.optional(),
  flows: z.strictObject({ enabled: z.boolean().default(false) }).prefault({}),
});

/** The parsed configuration: defaults filled in, sizes in bytes, durations in milliseconds. */
export type Config = z.output<typeof configSchema>;
export type StreamConfig = z.output<typeof streamSection>;
export type FieldConfig = z.output<typeof fieldSection>;
export type WindowConfig = z.output<typeof windowSection>;
export type PipelineConfig = z.output<typeof pipelineSection>;
export type AggregateConfig = z.output<typeof aggregateSection>;
export type UpstreamConfig = z.output<typeof upstreamSection>;
export type BillingConfig = z.output<typeof billingSection>;
export type BrokerConfig = z.output<typeof brokerSection>;
export type LimitsConfig = z.output<typeof limitsSection>;
