import { describe, expect, test } from 'vitest';
import { openRecording } from '../../gateway/replay/csv-rows.ts';
import { parseRecordedTime } from '../../gateway/replay/index.ts';
import { Pacer } from '../../gateway/replay/pacer.ts';
import { manualClock } from '../support/clock.ts';
import { csvFile } from './harness.ts';

describe('recorded times', () => {
  const noon = Date.UTC(2026, 5, 1, 12);
  test.each([
    ['2026-06-01 12:00:00', noon],
    ['2026-06-01T12:00:00Z', noon],
    ['2026-06-01T14:00:00+02:00', noon],
    ['2026-06-01T12:00:00.250Z', noon + 250],
    ['2026-06-01', Date.UTC(2026, 5, 1)],
    [String(noon), noon],
    [String(noon / 1000), noon],
    [`${noon / 1000}.5`, noon + 500],
    [' 2026-06-01 12:00:00 ', noon],
    ['yesterday', undefined],
    ['2026-13-01', undefined],
    ['', undefined],
  ])('%j', (text, expected) => expect(parseRecordedTime(text)).toBe(expected));
});

describe('a recording', () => {
  const read = async (...lines: string[]) => {
    const recording = await openRecording(csvFile(...lines));
    const rows = [];
    for await (const row of recording.rows()) rows.push(row);
    return { recording, rows };
  };

  test('has numbers, texts, booleans and absent values; time and device are apart', async () => {
    const { recording, rows } = await read(
      '\ufeffTime,device,a,"b, c",d',
      '1780315200,m 1,-0.5e3,"say ""hi""\nthere",true',
      '1780315201,m 2,,plain,false',
    );
    expect(recording.columns).toEqual(['a', 'b, c', 'd']);
    expect(rows).toEqual([
      { line: 2, time: 1780315200000, device: 'm 1', values: [-500, 'say "hi"\nthere', true] },
      { line: 4, time: 1780315201000, device: 'm 2', values: [null, 'plain', false] },
    ]);
    expect(recording.readBytes).toBe(recording.totalBytes);
  });

  test('takes Windows line ends and a last line without one', async () => {
    const { rows } = await read('timestamp,value\r', '2026-06-01 12:00:00,1\r', '2026-06-01 12:00:01,2');
    expect(rows.map((row) => 'values' in row && row.values)).toEqual([[1], [2]]);
  });

  test('names lines that are no rows', async () => {
    const { rows } = await read(
      'timestamp,value',
      'never,1',
      '2026-06-01 12:00:00,1,2',
      '2026-06-01 12:00:00,"open',
    );
    expect(rows.map((row) => row.line)).toEqual([2, 3, 4]);
    expect(rows.every((row) => 'problem' in row)).toBe(true);
  });
});

describe('pace', () => {
  const run = async (options: { rate?: number; speed?: number }, times: number[]) => {
    const clock = manualClock();
    const { signal } = new AbortController();
    const pacer = new Pacer({ clock, signal, rate: options.rate, speed: options.speed });
    const at: number[] = [];
    const done = (async () => {
      for (const time of times) {
        await pacer.due(time);
        at.push(Math.round(clock.monotonic()));
      }
    })();
    let over = false;
    void done.then(() => {
      over = true;
    });
    while (!over) {
      clock.advance(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return at.slice(1);
  };

  test('rows per second', async () => {
    expect(await run({ rate: 100 }, [0, 0, 0, 0, 0])).toEqual([10, 20, 30, 40]);
  });

  test('times the recorded speed', async () => {
    expect(await run({ speed: 10 }, [0, 1000, 1100, 3000])).toEqual([100, 110, 300]);
  });
});
