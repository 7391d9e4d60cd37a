import { afterEach, describe, expect, test } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import type { Disposition, Source } from '../../gateway/ports/source.ts';
import { type RecordingIntake, recordingIntake } from '../support/intake.ts';
import { until } from '../support/until.ts';

/** How a device learned what became of its message: acknowledged, or an error, a closed connection, a redelivery. */
export type SendOutcome = 'acknowledged' | 'refused';

/** One door under test with everything around it that it needs. */
export interface SourceHarness {
  readonly source: Source;
  /** A sender that is ready to use; its messages are in order. Closed by the harness's `close`. */
  sender(): Promise<SourceSender>;
  /** Address (as the intake sees it) number `n`, valid for this door. */
  address(n: number): string;
  /** Largest payload (bytes) that this door must take, and one that it must not. */
  readonly fits: number;
  readonly tooLarge: number;
  /** Ends senders and helpers; the suite stops the source itself. */
  close(): Promise<void>;
}

export interface SourceSender {
  /** Sends one message that wants an acknowledgement. Settles when it is acknowledged or known not to be. */
  send(address: string, payload: Uint8Array): Promise<SendOutcome>;
  /** One exchange with the door that touches no intake (PINGREQ, empty CON): what was sent before has arrived. */
  roundTrip(): Promise<void>;
}

export interface SourceContract {
  /** `door` the intake must see. */
  readonly door: string;
  create(intake: RecordingIntake): Promise<SourceHarness>;
  /** A second source whose start must fail with a coded error (a port in use); absent when that cannot happen. */
  createFailing?(taken: Source, intake: RecordingIntake): Promise<Source>;
  /** Whether an oversize message ends as `refused`; false for doors whose broker or peer drops it silently. */
  readonly refusesOversize: boolean;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (payload: Uint8Array) => new TextDecoder().decode(payload);

/** What every door promises (ports/source.ts). Call it inside a test file of the adapter. */
export function sourceContract(name: string, contract: SourceContract): void {
  describe(`${name} keeps the contract of a source`, () => {
    const cleanups: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
    });

    async function started() {
      const intake = recordingIntake();
      const harness = await contract.create(intake);
      cleanups.push(() => harness.close());
      cleanups.push(async () => {
        intake.release();
        await harness.source.stop();
      });
      await harness.source.start(new AbortController().signal);
      return { intake, harness };
    }

    test('hands a message over with door, address and payload as sent, and acknowledges it', async () => {
      const { intake, harness } = await started();
      const sender = await harness.sender();
      const payload = Uint8Array.from({ length: 256 }, (_, i) => i);
      expect(await sender.send(harness.address(1), payload)).toBe('acknowledged');
      expect(intake.offered).toHaveLength(1);
      expect(intake.offered[0]).toMatchObject({ door: contract.door, address: harness.address(1) });
      expect(intake.offered[0]!.payload).toEqual(payload);
    });

    test('acknowledges only after the intake has answered', async () => {
      const { intake, harness } = await started();
      const sender = await harness.sender();
      intake.hold();
      let outcome: SendOutcome | undefined;
      const sent = sender.send(harness.address(1), bytes('1')).then((result) => {
        outcome = result;
      });
      await until(() => intake.waiting === 1, 'the message to be offered');
      await (await harness.sender()).roundTrip();
      expect(outcome).toBeUndefined();
      intake.release();
      await sent;
      expect(outcome).toBe('acknowledged');
    });

    test.each<Disposition>([
      { kind: 'rejected', error: new GatewayError('CONFIG_INVALID', 'not a number') },
      { kind: 'unrouted' },
    ])('acknowledges or answers a message that is $kind, and goes on', async (disposition) => {
      const { intake, harness } = await started();
      const sender = await harness.sender();
      intake.answer = () => disposition;
      await sender.send(harness.address(1), bytes('x'));
      intake.answer = () => ({ kind: 'stored', readings: 1 });
      const again = await harness.sender();
      expect(await again.send(harness.address(1), bytes('2'))).toBe('acknowledged');
    });

    test('never acknowledges a message that the intake refused; the sender can send it again', async () => {
      const { intake, harness } = await started();
      intake.answer = () => ({ kind: 'refused', error: new GatewayError('STOPPING', 'full') });
      const sender = await harness.sender();
      expect(await sender.send(harness.address(1), bytes('1'))).toBe('refused');
      intake.answer = () => ({ kind: 'stored', readings: 1 });
      const again = await harness.sender();
      expect(await again.send(harness.address(1), bytes('1'))).toBe('acknowledged');
    });

    test('offers the messages of one sender in the order they were sent', async () => {
      const { intake, harness } = await started();
      const sender = await harness.sender();
      const outcomes = [];
      for (let i = 0; i < 100; i++) outcomes.push(sender.send(harness.address(i % 3), bytes(String(i))));
      expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['acknowledged']));
      const seen = intake.offered.map((message) => Number(text(message.payload)));
      expect(seen.slice().sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
      for (const device of [0, 1, 2]) {
        const own = seen.filter((i) => i % 3 === device);
        expect(own).toEqual(own.slice().sort((a, b) => a - b));
      }
    });

    test('takes an empty payload and the largest that fits', async () => {
      const { intake, harness } = await started();
      const sender = await harness.sender();
      expect(await sender.send(harness.address(1), new Uint8Array(0))).toBe('acknowledged');
      expect(await sender.send(harness.address(1), new Uint8Array(harness.fits).fill(7))).toBe(
        'acknowledged',
      );
      expect(intake.offered.map((message) => message.payload.length)).toEqual([0, harness.fits]);
    });

    test('keeps a message that is too large away from the intake and goes on serving', async () => {
      const { intake, harness } = await started();
      const sender = await harness.sender();
      const sent = sender.send(harness.address(1), new Uint8Array(harness.tooLarge));
      if (contract.refusesOversize) expect(await sent).toBe('refused');
      else sent.catch(() => undefined);
      const again = await harness.sender();
      expect(await again.send(harness.address(2), bytes('2'))).toBe('acknowledged');
      expect(intake.offered.map((message) => message.address)).toEqual([harness.address(2)]);
    });

    test('stop lets what is being acknowledged finish, may be called twice, and closes the door', async () => {
      const { intake, harness } = await started();
      const sender = await harness.sender();
      intake.hold();
      const sent = sender.send(harness.address(1), bytes('1'));
      await until(() => intake.waiting === 1, 'the message to be offered');
      const stopped = harness.source.stop();
      intake.release();
      expect(await sent).toBe('acknowledged');
      await stopped;
      await harness.source.stop();
    });

    test('says where it is once started, and can be stopped without ever having been', async () => {
      const { harness } = await started();
      expect(harness.source.addresses.length).toBeGreaterThan(0);
      const idle = await contract.create(recordingIntake());
      cleanups.push(() => idle.close());
      await idle.source.stop();
    });

    test.skipIf(!contract.createFailing)(
      'a start that fails rejects with a coded error and can be stopped',
      async () => {
        const { harness, intake } = await started();
        const second = await contract.createFailing!(harness.source, intake);
        await expect(second.start(new AbortController().signal)).rejects.toBeInstanceOf(GatewayError);
        await second.stop();
      },
    );
  });
}
