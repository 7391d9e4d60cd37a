import type { Config } from '../config/schema.ts';
import { suggest } from '../config/suggest.ts';
import { GatewayError } from '../errors.ts';
import type { StatusView } from '../http/views.ts';
import type { ReplayTransport } from '../ports/replay-transport.ts';
import { replay as run } from '../replay/index.ts';
import { LOCAL_USER } from '../security/access.ts';
import { readLocalApi } from '../security/local-api.ts';
import { systemClock } from '../system/clock.ts';
import { createLog } from '../system/log.ts';
import { findApi } from './api.ts';
import type { Command, CommandContext } from './command.ts';
import { theWord } from './subcommands.ts';
import { count, instant } from './ui/format.ts';

/** `replay`: recorded data through the real MQTT or CoAP door. */
export const replay: Command = {
  name: 'replay',
  summary: 'feed recorded data through a real door',
  usage: [
    'replay FILE.csv --stream S [--device D] [--rate ROWS_PER_SECOND | --speed FACTOR] [--via mqtt|coap]',
  ],
  help: `
  --stream S   the stream that takes the rows
  --device D   device of all rows; default: the column "device", else the name of the file
  --rate X     rows a second; --speed X: times the recorded speed; default: as fast as the door takes them
  --via DOOR   mqtt (default) or coap
  --rows N     rows in one message, where the format can carry several

The first line of the file names the columns; a column timestamp or time keeps the original times. Runs on the machine of the
gateway and needs no identity there.`,
  options: {
    stream: { type: 'string' },
    device: { type: 'string' },
    rate: { type: 'string' },
    speed: { type: 'string' },
    via: { type: 'string' },
    rows: { type: 'string' },
  },
  longRunning: true,
  async run(context) {
    const file = theWord(context.positionals, 'replay FILE.csv');
    const { config } = context.config({ quiet: true, checkFiles: false });
    const stream = streamOf(config, context.option('stream'));
    const transport = await transportOf(config, context);
    const device = context.option('device');
    const progress = context.ui.progress('replay', 1000);
    const summary = await run({
      file,
      stream,
      transport,
      clock: systemClock(),
      signal: context.signal,
      onProgress: ({ acknowledged, readBytes, totalBytes }) =>
        progress.update(
          (1000 * readBytes) / Math.max(1, totalBytes),
          `${count(acknowledged)} rows acknowledged`,
        ),
      ...(device === undefined ? {} : { device }),
      ...numbers(context, 'rate', 'rate'),
      ...numbers(context, 'speed', 'speed'),
      ...numbers(context, 'rows', 'rowsPerMessage'),
    });
    progress.end();
    context.print(summary, () =>
      [
        `${count(summary.acknowledged)} of ${count(summary.rows)} rows acknowledged by ${summary.target} in ${summary.seconds.toFixed(1)} s`,
        `  ${summary.devices} ${summary.devices === 1 ? 'device' : 'devices'}, recorded ${summary.from === null ? '-' : instant(summary.from)} to ${summary.to === null ? '-' : instant(summary.to)}`,
        ...(summary.rejected + summary.skipped > 0
          ? [`  ${summary.rejected} rejected, ${summary.skipped} lines skipped`]
          : []),
        ...summary.problems.map(({ line, problem }) => `  line ${line}: ${problem}`),
      ].join('\n'),
    );
    return summary.acknowledged === summary.rows && summary.skipped === 0 ? 0 : 1;
  },
};

function streamOf(config: Config, id: string | undefined): Config['streams'][number] {
  const ids = config.streams.map((stream) => stream.id);
  const found = config.streams.find((stream) => stream.id === id);
  if (found) return found;
  const meant = id === undefined ? undefined : suggest(id, ids);
  throw new GatewayError('USAGE', id === undefined ? '--stream is missing' : `there is no stream ${id}`, {
    ...(id === undefined ? {} : { received: id }),
    expected: ids.join(', '),
    fix: meant ? `Did you mean --stream ${meant}?` : 'Name a stream of the configuration.',
  });
}

function numbers(context: CommandContext, option: string, name: string): Record<string, number> {
  const text = context.option(option);
  if (text === undefined) return {};
  const value = Number(text);
  if (Number.isFinite(value)) return { [name]: value };
  throw new GatewayError('USAGE', `--${option} takes a number`, { received: text });
}

/** The client side of the door, at the address the running gateway tells, or else the configured one. */
async function transportOf(config: Config, context: CommandContext): Promise<ReplayTransport> {
  const via = context.option('via') ?? 'mqtt';
  const { dataDir } = config.gateway;
  const status = (await findApi(dataDir)?.get('/api/v1/status')) as StatusView | undefined;
  const host = config.listen.host.replace(/^0\.0\.0\.0$/, '127.0.0.1').replace(/^::$/, '::1');
  const door = (scheme: string, port: number): URL => {
    const told = status?.doors.find((address) => address.startsWith(`${scheme}:`));
    const url = new URL(told ?? `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`);
    if (url.hostname === '0.0.0.0' || url.hostname === '[::]') url.hostname = '127.0.0.1';
    return url;
  };
  if (via === 'mqtt') {
    const { createMqttReplayTransport } = await import('../../adapters/mqtt-client/replay-transport.ts');
    const token = readLocalApi(dataDir)?.token;
    const credentials =
      token === undefined || config.auth.anonymous ? {} : { username: LOCAL_USER, password: token };
    const url = config.broker?.url ?? door('mqtt', config.listen.mqtt.port).href;
    return createMqttReplayTransport({ url, ...(config.broker ? {} : credentials) });
  }
  if (via === 'coap') {
    const { createCoapReplayTransport } = await import('../../adapters/coap/replay-transport.ts');
    const url = door('coap', config.listen.coap.port);
    const log = createLog({ level: 'silent' });
    const port = Number(url.port) || 5683;
    return createCoapReplayTransport({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port,
      clock: systemClock(),
      log,
    });
  }
  throw new GatewayError('USAGE', 'there is no such door', { received: via, expected: 'mqtt, coap' });
}
