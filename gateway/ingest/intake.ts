import type { Config, StreamConfig } from '../config/schema.ts';
import { asGatewayError, GatewayError } from '../errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log.ts';
import type { NewReading, ReadingValue } from '../ports/reading.ts';
import type { Disposition, Inbound, Intake } from '../ports/source.ts';
import type { JournalStream, Store } from '../store/types.ts';
import { openRejected } from '../system/document-streams.ts';
import type { DecodeContext } from './decode/decoder.ts';
import { StreamDecoders } from './decode/formats.ts';
import { rejectedRecord } from './rejected.ts';
import { type Route, Router } from './router.ts';

/** Counts since the process started. */
export interface IntakeStats {
  readonly unrouted: number;
  readonly streams: Readonly<Record<string, StreamIntakeStats>>;
}

export interface StreamIntakeStats {
  /** Messages stored. */
  readonly messages: number;
  /** Readings stored; one message may give several. */
  readonly accepted: number;
  /** Payloads put aside as undecodable. */
  readonly rejected: number;
  /** Messages that were not stored and not acknowledged. */
  readonly refused: number;
}

/** One stream as the intake sees it. */
interface Target {
  readonly id: string;
  readonly decoders: StreamDecoders;
  readonly journal: JournalStream<ReadingValue>;
  readonly rejects: JournalStream<string>;
  messages: number;
  accepted: number;
  rejected: number;
  refused: number;
}

export interface IntakeParts {
  readonly config: Config;
  readonly store: Store;
  /** From {@link openReadingStreams}. */
  readonly streams: ReadonlyMap<string, JournalStream<ReadingValue>>;
  readonly clock: Clock;
  readonly log: Log;
}

const UNROUTED: Disposition = { kind: 'unrouted' };
const STORED_ONE: Disposition = { kind: 'stored', readings: 1 };

/**
 * Routes, decodes and journals what the doors take in.
 * @throws GatewayError CONFIG_INVALID when topics or paths of streams are malformed or collide
 */
export function createIntake(parts: IntakeParts): Intake & { stats(): IntakeStats } {
  const { config, clock, store } = parts;
  const log = parts.log.child('ingest');
  const topics = new Router<Target>();
  const paths = new Router<Target>();
  const targets = config.streams.map((stream) => {
    const target = newTarget(stream, parts.streams.get(stream.id)!, openRejected(store, config, stream.id));
    topics.add(`aimx/s/${stream.id}/{device}`, target);
    paths.add(`s/${stream.id}/{device}`, target);
    for (const template of asList(stream.from?.mqtt)) topics.add(template, target);
    for (const template of asList(stream.from?.coap)) paths.add(template, target);
    return target;
  });
  let unrouted = 0;
  const maxBytes = config.limits.maxPacketBytes;
  // One object for all messages: decoders take from it what they need and keep nothing.
  const context = { device: undefined as string | undefined, fallbackDevice: '', arrival: 0, synced: true };

  const routerOf = (door: string): Router<Target> => (door === 'mqtt' ? topics : paths);

  const decode = (route: Route<Target>, message: Inbound): NewReading[] => {
    if (!route.valid) throw invalidDevice(route);
    if (message.payload.length > maxBytes) throw tooLarge(message.payload.length, maxBytes);
    const { target } = route;
    context.device = route.device;
    context.fallbackDevice = target.id;
    context.arrival = clock.now();
    context.synced = clock.synced();
    const { contentFormat } = message;
    const decoder =
      contentFormat === undefined ? target.decoders.configured : target.decoders.for(contentFormat);
    return decoder(message.payload, context satisfies DecodeContext);
  };

  const reject = <M extends Inbound>(
    target: Target,
    message: M,
    error: GatewayError,
    done: (disposition: Disposition, message: M) => void,
  ): void => {
    const record = rejectedRecord(target.id, message, error, clock.now());
    target.rejects.append(
      [record],
      (failure) => {
        if (failure) {
          target.refused++;
          done({ kind: 'refused', error: asGatewayError(failure) }, message);
          return;
        }
        target.rejected++;
        done({ kind: 'rejected', error }, message);
      },
      message.ops,
    );
  };

  return {
    routes: (door, address) => routerOf(door).lookup(address) !== undefined,

    offer(message, done) {
      const route = routerOf(message.door).lookup(message.address);
      if (route === undefined) {
        unrouted++;
        done(UNROUTED, message);
        return;
      }
      const { target } = route;
      let readings: NewReading[];
      try {
        readings = decode(route, message);
      } catch (error) {
        if (!(error instanceof GatewayError)) {
          log.error(
            { err: error, stream: target.id },
            'ingest: a decoder failed, the payload is kept as rejected',
          );
        }
        reject(target, message, asGatewayError(error), done);
        return;
      }
      // The payload is the door's again when `offer` returns.
      let offered = false;
      const count = readings.length;
      target.journal.append(
        readings,
        (failure) => {
          if (failure === null) {
            target.messages++;
            target.accepted += count;
            done(count === 1 ? STORED_ONE : { kind: 'stored', readings: count }, message);
            return;
          }
          // A device too many stays one however often it sends: it is told why, and does not block those behind it.
          if (!offered && failure instanceof GatewayError && failure.code === 'STORE_DEVICES') {
            reject(target, message, failure, done);
            return;
          }
          target.refused++;
          done({ kind: 'refused', error: asGatewayError(failure) }, message);
        },
        message.ops,
      );
      offered = true;
    },

    stats: () => ({
      unrouted,
      streams: Object.fromEntries(
        targets.map(({ id, messages, accepted, rejected, refused }) => [
          id,
          { messages, accepted, rejected, refused },
        ]),
      ),
    }),
  };
}

function newTarget(
  stream: StreamConfig,
  journal: JournalStream<ReadingValue>,
  rejects: JournalStream<string>,
): Target {
  return {
    id: stream.id,
    decoders: new StreamDecoders(stream),
    journal,
    rejects,
    messages: 0,
    accepted: 0,
    rejected: 0,
    refused: 0,
  };
}

const asList = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? [value] : value;

const invalidDevice = (route: Route<Target>): GatewayError =>
  new GatewayError(
    'DECODE_DEVICE',
    `the address names the device ${JSON.stringify(route.device?.slice(0, 140))}`,
    {
      received: route.device?.slice(0, 140),
    },
  );

const tooLarge = (bytes: number, maxBytes: number): GatewayError =>
  new GatewayError('DECODE_LIMIT', `the payload has ${bytes} bytes`, {
    received: bytes,
    expected: `at most ${maxBytes} (limits.maxPacketBytes)`,
  });
