import { expect, it } from 'vitest';
import { type AlarmDocument, AlarmLog, acknowledging } from '../../gateway/system/alarm-log.ts';
import { manualClock } from '../support/clock.ts';

let ordinal = 0;
const document = (kind: string, time: number, more: Partial<AlarmDocument> = {}): AlarmDocument => ({
  id: `g/alarm/${kind}/${time}-${++ordinal}`,
  kind,
  device: kind,
  time,
  state: 'raised',
  severity: 'warning',
  message: `${kind} at ${time}`,
  fix: 'Mend it.',
  ...more,
});

it('follows an alarm from its raising over updates to its end, and keeps it', () => {
  const log = new AlarmLog();
  const told: string[] = [];
  log.subscribe(({ id, state }) => told.push(`${id} ${state}`));
  log.note(document('disk', 1));
  log.note(document('disk', 2, { message: 'worse', since: 1 }));
  log.note(document('link', 3));
  log.note(document('disk', 4, { state: 'cleared', since: 1 }));
  log.note(document('disk', 5));
  log.note(document('never', 6, { state: 'cleared' }));
  expect(log.list()).toMatchObject([
    { id: 'disk-5', state: 'active', since: 5, until: null },
    { id: 'link-3', state: 'active' },
    { id: 'disk-1', state: 'over', message: 'worse', since: 1, until: 4 },
  ]);
  expect(told).toEqual(['disk-1 active', 'disk-1 active', 'link-3 active', 'disk-1 over', 'disk-5 active']);
});

it('an acknowledgement stays until it gets worse', () => {
  const log = new AlarmLog();
  const clock = manualClock(100);
  log.note(document('disk', 1));
  const known = acknowledging(log, 'disk-1', clock, 'ada', 'on my way');
  expect(known).toMatchObject({ state: 'raised', since: 1, acknowledged: { by: 'ada', time: 100 } });
  log.note({ ...known, id: 'x' });
  log.note(document('disk', 101, { since: 1, message: 'the same' }));
  expect(log.get('disk-1').acknowledged).toEqual({ by: 'ada', time: 100, note: 'on my way' });
  log.note(document('disk', 102, { since: 1, severity: 'critical' }));
  expect(log.get('disk-1').acknowledged).toBeNull();
  log.note({ ...known, id: 'y' });
  log.note(document('disk', 103, { since: 1, state: 'cleared' }));
  expect(acknowledging(log, 'disk-1', clock, 'ada', undefined).state).toBe('cleared');
  expect(() => log.get('disk-2')).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
});

it('forgets the oldest that are over, and no active one', () => {
  const log = new AlarmLog();
  log.note(document('first', 0));
  for (let n = 1; n <= 600; n++) {
    log.note(document('flap', n * 2));
    log.note(document('flap', n * 2 + 1, { state: 'cleared', since: n * 2 }));
  }
  const list = log.list();
  expect([list.length, list[0]!.id, list[1]!.id]).toEqual([500, 'first-0', 'flap-1200']);
});
