/**
 * Coded errors. Every error that leaves a module is a {@link GatewayError}: it says what was received, what
 * was expected and what to do. {@link ERROR_CODES} is the one table of all codes.
 */

/** Each code with the advice a user gets when the thrower has nothing more precise to say. */
export const ERROR_CODES = {
  // general
  INTERNAL: 'This is a fault of the gateway. Keep the log lines around it and report them.',
  USAGE: 'Run `aimx-gateway --help` for the commands and their options.',
  STOPPING: 'The gateway is stopping; send again when it is back.',
  // store
  STORE_FULL: 'Free disk space, or raise the `journal.maxBytes` of the stream, or bring its consumers back.',
  STORE_DEVICES: 'Check for devices with changing names, or raise `limits.maxDevices`.',
  STORE_LOCKED: 'Another gateway uses this data folder. Stop it, or give this one its own `gateway.dataDir`.',
  STORE_BUSY: 'More arrives than the disk can take. Send slower, or use a faster disk.',
  STORE_STREAM: 'This is a fault of the gateway: the stream was never opened. Report it with the log lines.',
  STORE_CURSOR: 'This is a fault of the gateway: a consumer moved its cursor wrongly. Report it.',
  STORE_RECORD: 'A record could not be encoded. Report it with the message of the device.',
  STORE_IO: 'Check the disk and the permissions of the data folder; see `aimx-gateway doctor`.',
  STORE_VERSION: 'The data folder was written by a newer gateway. Install that version or restore a backup.',
  STORE_CLOSED: 'The store is not running; start it first.',
  // identities and access
  IDENTITY_NAME: 'Use 1 to 128 characters without "/", "+", "#", "$", ":" and control characters.',
  IDENTITY_EXISTS: 'Choose another name, or revoke the present one first.',
  IDENTITY_UNKNOWN: 'List what there is with `aimx-gateway devices list`.',
  IDENTITY_LAST_ADMIN: 'Add another admin first: `aimx-gateway people add NAME --role admin`.',
  IDENTITY_LIMIT: 'Revoke identities that are no longer used.',
  IDENTITY_FILE: 'Restore identities.json from a backup, or move it away to begin without identities.',
  IDENTITY_IMPORT: 'Mend the lines the message names; the first line must be: name,password,role.',
  UNAUTHORIZED: 'Send `Authorization: Bearer TOKEN`, or log in; `aimx-gateway init` showed the first login.',
  FORBIDDEN: 'Log in as someone with the role admin.',
  THROTTLED: 'Too many failed logins from this address or of this name: wait a minute.',
  PASSWORD_WEAK: 'Choose a longer one: four or five words that nobody else would put together.',
  CROSS_SITE: 'Do this on a page of this gateway itself, or send a bearer token in place of a cookie.',
  // command line
  GATEWAY_DOWN: 'Start it with `aimx-gateway start`, then try again.',
  GATEWAY_ANSWER: 'Check with `aimx-gateway doctor` what is wrong with the running gateway.',
  FILE_MISSING: 'Check the path.',
  // HTTP
  HTTP_LISTEN:
    'Free the port, or set listen.http.port to another one; `aimx-gateway doctor` shows who has it.',
  // settings
  SETTINGS_MATCH:
    'Read the settings first and send their ETag as If-Match, so that no change of others is lost.',
  SETTINGS_CHANGED: 'Read the settings again, make the change in the new text, and save that.',
  SETTINGS_WRITE: 'Let the user of the gateway write the file and its folder, or edit it by hand.',
  SETUP_ENTRIES: 'Mend the entries that the message names, then finish again.',
  SETUP_WIFI: 'Check the name and the password of the network, and that it is in reach.',
  HTTP_BUSY: 'Wait a moment and ask again, or ask for a shorter period.',
  HTTP_REQUEST: 'See /api/v1/openapi.json for what this interface takes.',
  NOT_FOUND: 'See /api/v1/openapi.json for what there is.',
  // configuration
  CONFIG_INVALID: 'Run `aimx-gateway check` and mend each line it names.',
  CONFIG_UNREADABLE: 'Name the file with --config FILE, or write one with `aimx-gateway init`.',
  // ingest: why a payload was put aside as rejected
  DECODE_EMPTY: 'Send a payload with at least one value.',
  DECODE_SYNTAX: 'Send what the `decode` setting of the stream names, or change the setting.',
  DECODE_FORMAT: 'Use a Content-Format that the gateway knows: 0, 42, 50, 60, 110 or 112.',
  DECODE_FIELD: 'Send every field of the stream, or mark the field `optional: true`.',
  DECODE_TYPE: 'Send the type the field declares, or set `type` of the field.',
  DECODE_RANGE: 'Check the sensor, or widen `min` and `max` of the field.',
  DECODE_UNIT: 'Send a unit of the same kind as the `unit` of the field.',
  DECODE_TIME: 'Check `time.path` and `time.format` of the stream.',
  DECODE_NAME: 'Use a plain field name: letters, digits, "-", "_", "." or ":".',
  DECODE_DEVICE: 'Use a device name of 1 to 128 characters without "/", "+", "#" and control characters.',
  DECODE_LIMIT: 'Send smaller payloads, or more of them.',
  // upstream
  UPSTREAM_REFUSED:
    'The receiver will never take this record: mend the receiver and send the kept record by hand.',
  UPSTREAM_SINK:
    'Check the address, the credentials and the path of this sink under `upstream` in gateway.yaml.',
  // inference
  MODEL_MISSING:
    'Install the bundle with `aimx-gateway models add`, or mend the reference; `models list` shows what is there.',
  MODEL_MANIFEST:
    'Mend the keys of model.yaml that the message names; gateway/inference/README.md explains each.',
  MODEL_FILE: 'Copy the model file into its bundle folder again.',
  MODEL_CHECKSUM:
    'The model file is not the one its manifest was written for. Copy the bundle again, or correct sha256.',
  MODEL_RUNTIME: 'Use a model of a runtime that this gateway has (onnx).',
  MODEL_LOAD: 'Export the model again and check the file with another tool.',
  MODEL_REFUSED: 'Look at the alarm model-refused for the reason, then mend or replace the bundle.',
  MODEL_GOLDEN:
    'The model does not give its golden outputs on this device. Do not use it here; ask its maker.',
  MODEL_SHAPE: 'Give the model windows of the rows and columns its manifest asks for.',
  MODEL_RUN: 'The model could not compute this input. Check that values are in the range it was made for.',
  MODEL_OUTPUT:
    "The model gave something that its manifest does not allow. Check its inputs and its maker's notes.",
  MODEL_HOST: 'The model host could not be started. Look at the log lines of the model host before this one.',
  REMOTE_UNAVAILABLE:
    'The server of the model does not answer. Check that it runs and that `remote.url` of the bundle reaches it.',
  REMOTE_ANSWER: 'The server of the model answers against the protocol. Look at its log.',
  REMOTE_REFUSED: 'The server of the model refuses the call. Mend what its message names.',
  POISON:
    'This input ended the model host twice and will not be run again. Keep it and tell the maker of the model.',
  DEADLINE:
    'The model did not come to it in time. Lower the load, raise the deadline, or use a smaller model.',
  SEQUENCE_UNKNOWN:
    'Begin the sequence with sequence_start: it has ended, was not used for ten minutes, or gave way to others.',
  QUEUE_FULL: 'Too much is waiting for the models. Send again later, or lower the load.',
  // the life of models
  MODEL_FACE:
    'Change pipelines and callers, then promote it with `--force`; or give the bundle another name, so that both can be used.',
  MODEL_STATE: 'See `aimx-gateway models list` for the versions and their states.',
  MODEL_SIGNATURE: 'Copy the bundle again from where it was made, or have its maker sign it again.',
  MODEL_SIGNER: 'Add the public key of its maker to models.trustedKeys once you trust it.',
  MODEL_KEY:
    'Make one with `openssl genpkey -algorithm ed25519 -out key.pem`; its public half: `openssl pkey -in key.pem -pubout`.',
  MODEL_ARCHIVE: 'Pack the bundle folder anew, with plain files only: `tar czf bundle.tgz -C FOLDER .`',
  MODEL_LIFE: 'Check the permissions of the models folder and the space on its disk.',
  // tuning models
  TUNE_DATA: 'Name another stream or device, or a longer time with --since, or wait until more has come.',
  TUNE_LABELS: 'The first line must name the columns from,to,label and perhaps device; see `models --help`.',
  TUNE_MODEL: 'See `aimx-gateway models list` for the models; the help of `models` says which can be tuned.',
  TUNE_TOOLKIT:
    'Run `npm i @tensorflow/tfjs-core @tensorflow/tfjs-layers @tensorflow/tfjs-backend-cpu` beside the gateway, then try again.',
  TUNE_NO_GAIN:
    'The model that there is fits this device already; or label some windows and give them with --labels.',
  TUNE_FAILED: 'Look at the message. Nothing was installed.',
  // inference requests from outside
  REQUEST_INVALID: 'Mend the request as the message says; gateway/serving/README.md shows one.',
  REQUEST_BINARY: 'Ask for this output with `"parameters": {"binary_data": true}`.',
  REQUEST_CONFLICT:
    'Use a new id for a new request: this one was used with another body, and its answer is kept.',
  REQUEST_TOO_LARGE: 'Send less at once, or raise `serving.maxBodyBytes`.',
  REPLY_FORBIDDEN: 'Use a reply topic that this client may subscribe to, best aimx/reply/<client id>.',
  // billing
  BILLING_CONFLICT: 'Use a new request id for a new request; the id was billed with another body.',
  BILLING_AMOUNT: 'Lower the prices of the tariff: a channel can carry at most 2^128 units.',
  // channels with paying customers
  CHANNEL_DOCUMENT:
    'Send integers as decimal strings and bytes as hexadecimal with 0x; see gateway/billing/channels.',
  CHANNEL_REQUIRED: 'Open a channel on the ledger, then name it in the parameters of the request.',
  CHANNEL_UNKNOWN: 'Open the channel on the ledger with this gateway as device and wait until that is final.',
  CHANNEL_TERMS: 'Open a channel with longer delays, and with the token and provider that the tariff names.',
  CHANNEL_RETIRED:
    'Open a channel with the present device key of the gateway; acknowledge what is owed here.',
  CHANNEL_SIGNER: 'Sign with the session key of the channel, for this ledger and chain.',
  CHANNEL_OWNER: 'Use the channel under the name that brought its ceiling, or bring a higher ceiling.',
  CHANNEL_CEILING: 'Sign a higher ceiling, or acknowledge what was served; then send the request again.',
  CHANNEL_EXPIRED: 'Sign a ceiling that is valid longer, then send the request again.',
  CHANNEL_DEPOSIT: 'Deposit more on the ledger and wait until that is final.',
  CHANNEL_THAWING: 'Take the withdrawal back (thaw 0), or open another channel.',
  CHANNEL_EXPOSURE: 'Acknowledge what was served; the gateway serves so much on trust and no more.',
  CHANNEL_UNSEEN: 'The gateway has not seen the ledger for too long: restore its uplink or its node.',
  CHANNEL_TIME: 'Give the gateway a time source (NTP, RTC); no receipt is made before the time is known.',
  CHANNEL_DISAGREES: 'Compare the receipts of both sides: the acknowledgement is about another history.',
  CHANNEL_MOVED: 'Send the request again.',
  TARIFF_INVALID: 'Mend the tariff file as the message says; gateway/billing/README.md shows one.',
  RATE_INVALID:
    'Have the rate signed by whom the tariff names, for its currency: `aimx-gateway ledger rate`.',
  RATE_EXPIRED: 'Put a newer signed rate into the file that billing.rate names: `aimx-gateway ledger rate`.',
  KEYSTORE_MODE: 'Allow only the owner to read the file: `chmod 0400 FILE`.',
  KEYSTORE_INVALID: 'Check that the keystore and the passphrase file belong together.',
  RECEIPT_REMOVED:
    'Settled receipts are kept for billing.keep and within billing.maxBytes; the totals still count it. Raise these to keep more.',
  RECEIPT_UNKNOWN: 'List what there is with `aimx-gateway receipts list`.',
  DEVCHAIN_START:
    'Look at the output in the message; free the port or remove the chain folder to begin anew.',
  CHAIN_NODE: 'Check the address of the node and which chain it serves.',
  CHAIN_REFUSED: 'Mend what the contract or the node names, such as the balance, then try again.',
  GATEWAY_NOT_READY: 'Take the next gateway of the list.',
  CHAIN_DEPLOY: 'Check rpcUrl, the balance of the deploying account and the chain id.',
  // payers
  PAYER_BOOKS: 'Check the path of the books, or restore them from a backup.',
  PAYER_CHANNEL: 'List the channels with `aimx-gateway payer status`.',
  PAYER_REFUSED:
    'Look at `aimx-gateway payer status`; once it is settled go on with `aimx-gateway payer resume CHANNEL`.',
  PAYER_KEY: 'Name the folder that the channel was opened with: --dir DIR.',
  PAYER_LIMIT: 'Raise it with `aimx-gateway payer limits`, or wait for the hour to pass.',
  PAYER_ESCROW: 'Add to it with `aimx-gateway payer deposit CHANNEL AMOUNT`.',
  PAYER_GATEWAY: 'Check the address of the gateway and that it runs; what is owed is sent again later.',
  PAYER_CHAIN: 'Check --rpc and which chain the node serves; the payment is kept and sent again later.',
  PAYER_PAYMENT: 'Look at the reason; `aimx-gateway payer status` shows wallet and escrow.',
  // coap
  COAP_LISTEN: 'Stop the program that uses this UDP port, or change `listen.host` or `listen.coap.port`.',
  COAP_TIMEOUT: 'Check the address and the network; the server did not answer any of the retransmissions.',
  COAP_RESET: 'The server does not know this exchange, perhaps after a restart: ask again.',
  COAP_PROTOCOL: 'The server answers against the protocol. Look at what it sends with `coap-client -v 7`.',
  COAP_BUSY: 'Wait for earlier requests before sending more, or raise the window.',
  COAP_CLOSED: 'The client has been closed; make another.',
  // pipelines
  PIPELINE_COLUMNS: 'Set `fields` of the pipeline to the fields of its stream, in the order the model wants.',
  PIPELINE_ROWS: 'Set `window.count` (or `window.rows`) of the pipeline to the rows the model wants.',
  PIPELINE_STATE: 'A row of saved state is damaged; the pipeline begins with empty windows after its cursor.',
  CONDITION_SYNTAX: 'Write comparisons of outputs joined by and, or, not: score >= 0.9 and label == "fault".',
  // doors
  LISTEN_FAILED:
    'Another program may hold the port: stop it, or choose another port under `listen` in gateway.yaml.',
  TLS_FILES:
    'Check the certificate and key files under `listen` in gateway.yaml, and that the gateway may read them.',
  // replay
  REPLAY_FILE: 'Give a CSV file with a header line, a time column and one column for each value.',
  REPLAY_COLUMNS: 'Rename the columns of the file to the fields of the stream, or choose another stream.',
  REPLAY_FORMAT: 'Replay into a stream of another `decode` format.',
  REPLAY_CONNECT: 'Start the gateway first, and check its address with `aimx-gateway status`.',
  REPLAY_REFUSED: 'Check the stream and the access rights of this client.',
  REPLAY_STOPPED: 'Start it again when you want the rest; what was acknowledged is stored.',
  // benchmark
  BENCH_REPORT: 'Give the JSON file that `aimx-gateway bench` wrote.',
  // flows
  FLOWS_USER: 'Set `flows.user` to a user of this machine that is not root.',
  FLOWS_OFF: 'Set `flows.enabled: true` in gateway.yaml and start the gateway again.',
  FLOWS_MISSING: 'Install it with `npm install node-red`, or set `flows.enabled: false`.',
  FLOWS_DOWN: 'The flows are starting or have stopped; `aimx-gateway flows status` says which, and why.',
  FLOWS_SNAPSHOT: 'List what there is with `aimx-gateway flows list`.',
  FLOWS_SIZE: 'Make the flows smaller: move pictures and tables out of nodes into files.',
  // external broker
  BROKER_LOST:
    'Check that the broker under `broker` in gateway.yaml runs and can be reached. The gateway keeps trying.',
  SECRET_FILE: 'Give the path of a file that only its owner may read: `chmod 0600 FILE`.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetail {
  /** What arrived, shortened to something fit for a log line. Never a secret. */
  readonly received?: unknown;
  /** What would have been accepted. */
  readonly expected?: string;
  /** What to do about it; defaults to the advice of the code. */
  readonly fix?: string;
  readonly cause?: unknown;
}

export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly received: unknown;
  readonly expected: string | undefined;
  readonly fix: string;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.received = detail.received;
    this.expected = detail.expected;
    this.fix = detail.fix ?? ERROR_CODES[code];
  }

  toJSON(): Record<string, unknown> {
    return {
      code: this.code,
      message: this.message,
      ...(this.received === undefined ? {} : { received: this.received }),
      ...(this.expected === undefined ? {} : { expected: this.expected }),
      fix: this.fix,
    };
  }
}

/** Anything thrown, as a coded error; foreign errors become INTERNAL with the original as cause. */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new GatewayError('INTERNAL', message, { cause: error });
}
