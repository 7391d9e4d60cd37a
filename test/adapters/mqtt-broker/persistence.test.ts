import assert from 'node:assert';
import abstractPersistence from 'aedes-persistence/abstract.js';
import { describe, expect, test } from 'vitest';
import { Persistence } from '../../../adapters/mqtt-broker/persistence.ts';
import { Retained } from '../../../adapters/mqtt-broker/retained.ts';
import { Sessions } from '../../../adapters/mqtt-broker/sessions.ts';
import { StateLog } from '../../../adapters/mqtt-broker/state-log.ts';
import { storeModule } from '../../../adapters/mqtt-broker/store-module.ts';
import { moduleStore } from '../../support/memory-state.ts';

const limits = { maxSessions: 1000, maxQueuedMessages: 10_000, maxQueuedBytes: 1 << 26, maxIncoming: 1000 };

function persistence(): Persistence {
  const log = new StateLog(moduleStore(storeModule), (error) => expect(error).toBeNull());
  const write = log.add.bind(log);
  return new Persistence(
    new Sessions(limits, write),
    new Retained({ max: 10_000, maxBytes: 1 << 26 }, write),
    log,
  );
}

/** The suite is written for node:test; this is the part of its context that it uses. */
function context() {
  let planned = -1;
  let made = 0;
  const counted = new Proxy(assert, {
    get(target, name) {
      const check = Reflect.get(target, name) as (...values: unknown[]) => unknown;
      return (...values: unknown[]) => {
        made++;
        return check(...values);
      };
    },
  });
  return {
    plan: (count: number) => {
      planned = count;
    },
    diagnostic: () => undefined,
    assert: counted,
    verify: () => planned >= 0 && expect(made).toBe(planned),
  };
}

describe('the persistence keeps the contract of aedes-persistence', () => {
  abstractPersistence({
    test: (name: string, body: (t: unknown) => Promise<void>) =>
      test(name, async () => {
        const t = context();
        await body(t);
        t.verify();
      }),
    persistence,
    testAsync: true,
  });
});
