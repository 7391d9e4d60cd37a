import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  addCursor,
  countAppend,
  damagedIn,
  expireTo,
  markDamaged,
  moveCursor,
  passed,
  reached,
  removeCursor,
  type StreamLedger,
} from '../../gateway/store/writer/ledger.ts';

type Step =
  | { readonly do: 'append'; readonly count: number }
  | { readonly do: 'move'; readonly who: number; readonly to: number }
  | { readonly do: 'add'; readonly at: number }
  | { readonly do: 'remove'; readonly who: number }
  | { readonly do: 'expire'; readonly to: number }
  | { readonly do: 'damage'; readonly at: number; readonly length: number };

const share = fc.double({ min: 0, max: 0.999999, noNaN: true });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('append' as const), count: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ do: fc.constant('move' as const), who: fc.nat(3), to: share }),
  fc.record({ do: fc.constant('add' as const), at: share }),
  fc.record({ do: fc.constant('remove' as const), who: fc.nat(3) }),
  fc.record({ do: fc.constant('expire' as const), to: share }),
  fc.record({ do: fc.constant('damage' as const), at: share, length: fc.integer({ min: 1, max: 4 }) }),
);

function emptyLedger(): StreamLedger {
  return {
    head: 0,
    tail: 1,
    records: 0,
    bytes: 0,
    accepted: 0,
    forwarded: 0,
    expired: 0,
    deleted: 0,
    lastArrival: 0,
    devicesAsOf: 0,
    cursors: [],
    damage: [],
  };
}

function apply(ledger: StreamLedger, one: Step, names: () => string): void {
  const between = (at: number, low: number, high: number) => low + Math.floor(at * (high - low + 1));
  const who = (index: number) => ledger.cursors[index % Math.max(1, ledger.cursors.length)];
  switch (one.do) {
    case 'append':
      countAppend(ledger, one.count, one.count * 10, 0);
      break;
    case 'move': {
      const cursor = who(one.who);
      if (cursor !== undefined) moveCursor(ledger, cursor, between(one.to, cursor.seq, ledger.head));
      break;
    }
    case 'add':
      if (ledger.cursors.length < 4) addCursor(ledger, names(), between(one.at, 0, ledger.head));
      break;
    case 'remove': {
      const cursor = who(one.who);
      if (cursor !== undefined) removeCursor(ledger, cursor);
      break;
    }
    case 'expire': {
      const last = between(one.to, ledger.tail - 1, ledger.head);
      expireTo(ledger, last, () => {});
      ledger.tail = Math.max(ledger.tail, last + 1);
      ledger.damage = ledger.damage.filter((range) => range.last >= ledger.tail);
      break;
    }
    case 'damage': {
      if (ledger.tail > ledger.head) break;
      const first = between(one.at, ledger.tail, ledger.head);
      const last = Math.min(ledger.head, first + one.length - 1);
      markDamaged(ledger, { first, last, inSegment: true }, () => {});
      break;
    }
  }
}

/** Records after `seq` that are there and whole, counted one by one. */
function pendingAfter(ledger: StreamLedger, seq: number): number {
  let count = 0;
  for (let one = Math.max(seq + 1, ledger.tail); one <= ledger.head; one++) {
    if (damagedIn(ledger, one - 1, one, false) === 0) count++;
  }
  return count;
}

it('keeps the identity through any sequence of appends, moves, losses and changes of consumers', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const ledger = emptyLedger();
      let name = 0;
      for (const one of steps) {
        apply(ledger, one, () => `c${name++}`);
        const pending = pendingAfter(ledger, passed(ledger));
        expect(ledger.forwarded + pending + ledger.expired).toBe(ledger.accepted);
        for (const cursor of ledger.cursors) {
          const ahead = pendingAfter(ledger, reached(cursor));
          expect(cursor.processed + ahead + cursor.expired).toBe(ledger.accepted);
        }
      }
    }),
    { seed: 90210, numRuns: 2000 },
  );
});
