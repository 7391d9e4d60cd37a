export interface TemplateParts {
  readonly name: string;
  /** Paths relative to the file. */
  readonly cert: string;
  readonly key: string;
  readonly keystore: string;
  readonly passphraseFile: string;
}

/** A commented gateway.yaml that works as it is: one stream, one pipeline, aggregates, nothing open beyond this machine. */
export function configTemplate(parts: TemplateParts): string {
  return `# Configuration of the AIMX edge gateway. \`aimx-gateway check\` validates it and names every mistake with its line;
# \`aimx-gateway check --explain\` prints what it does; \`aimx-gateway check --schema\` gives editors their completion.
# Sizes are written 64KiB, 256MiB, 1GiB; durations 250ms, 10s, 5m, 24h, 30d; paths start at the folder of this file.
version: 1

gateway:
  name: ${parts.name}            # part of every record id: choose it once
  dataDir: ./data                # journal, results, receipts, identities
  # location: { latitude: 48.137, longitude: 11.575 }

listen:
  host: 127.0.0.1                # 0.0.0.0 lets other machines in; they need an identity: aimx-gateway devices add NAME
  mqtt: { port: 1883 }
  # mqtts: { port: 8883, cert: ${parts.cert}, key: ${parts.key} }
  coap: { port: 5683 }
  http: { port: 8080 }           # dashboard, API, metrics, MQTT over WebSocket under /mqtt

auth:
  anonymous: false               # true only with a loopback host: then everyone on this machine may come in

durability: full                 # full: synced to disk before every acknowledgement; normal: survives kill, not power loss
# gather: 2ms                    # small commits gather this long: fewer writes, so flash lives longer, for as much latency

# What comes in. Every stream listens at aimx/s/<stream>/<device> (MQTT) and /s/<stream>/<device> (CoAP), and where you say.
streams:
  - id: temperature
    from:
      mqtt: plant/{device}/temperature     # {device} takes one level and names the device
      coap: /plant/{device}/temperature
    decode: json                           # json, text, csv, cbor, senml+json, senml+cbor, raw
    fields:
      value: { path: $.t, unit: Cel, min: -50, max: 400 }
    # time: { path: $.ts, format: epoch-ms }   # the device's own time; default: the time of arrival
    journal: { maxBytes: 256MiB, maxAge: 30d, whenFull: drop-oldest }

# What is decided here. Results go to aimx/result/<pipeline>/<device> unless publish.topic says otherwise.
pipelines:
  - id: temperature-anomaly
    from: temperature
    window: { count: 64, every: 1 }        # the newest 64 readings of a device, at each reading
    model: streaming-anomaly@2             # aimx-gateway models list
    # publish: { topic: "plant/{device}/anomaly", when: "score >= 0.9" }

# What is summed up.
aggregates:
  - from: temperature
    every: 60s
    stats: [count, min, max, mean, stddev, p95, last]

# Where it goes. Everything waits in the journal while a receiver is away.
upstream: []
#  - id: cloud
#    mqtt: { url: "mqtts://broker.example.com:8883", topic: "up/{gateway}/{kind}/{id}/{device}", username: gw, passwordFile: ./keys/cloud }
#    send: [aggregates, results]
#    buffer: { maxBytes: 512MiB, whenFull: drop-oldest }

# Receipts of every inference are kept in any case. With a chain they are posted in batches.
# billing:
#   chain:
#     rpcUrl: http://127.0.0.1:8545
#     chainId: 31337
#     keystore: ${parts.keystore}
#     passphraseFile: ${parts.passphraseFile}
#   tariff: ./tariff.json
`;
}

/** A host name as the name of a gateway: `Plant 7.local` becomes `plant-7`. */
export function gatewayName(host: string): string {
  const name = host
    .toLowerCase()
    .replace(/\..*$/, '')
    .replaceAll(/[^a-z0-9_-]+/g, '-')
    .replace(/^[-_]+|-+$/g, '')
    .slice(0, 64);
  return name === '' ? 'gateway' : name;
}
