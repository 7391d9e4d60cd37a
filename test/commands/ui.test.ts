import { describe, expect, it } from 'vitest';
import { createProgress } from '../../gateway/commands/ui/progress.ts';
import { createStyle } from '../../gateway/commands/ui/style.ts';
import { table } from '../../gateway/commands/ui/table.ts';

const sink = (isTTY: boolean) => {
  const texts: string[] = [];
  return { texts, stream: { isTTY, columns: 80, write: (text: string) => void texts.push(text) } };
};

describe('progress', () => {
  it('says nothing in the first second', () => {
    let now = 0;
    const { texts, stream } = sink(true);
    const progress = createProgress({ label: 'reading', total: 10, stream, now: () => now });
    for (; now < 1000; now += 50) progress.update(now / 100);
    progress.end();
    expect(texts).toEqual([]);
  });

  it('draws a bar on a terminal and takes it away', () => {
    let now = 0;
    const { texts, stream } = sink(true);
    const progress = createProgress({ label: 'reading', total: 10, stream, now: () => now });
    now = 2000;
    progress.update(5, 'x.csv');
    progress.end();
    expect(texts[0]?.replace('\r\u001b[K', '')).toMatch(/^reading █+░+ {2}50% 2 s left {2}x\.csv$/);
    expect(texts[1]).toBe('\r\u001b[K');
  });

  it('writes a plain line now and then elsewhere', () => {
    let now = 0;
    const { texts, stream } = sink(false);
    const progress = createProgress({ label: 'reading', total: 100, stream, now: () => now });
    for (; now <= 12_000; now += 100) progress.update(now / 200);
    progress.end();
    expect(texts.length).toBe(3);
    expect(texts[0]).toMatch(/^reading: \d+%.*\n$/);
  });
});

describe('colours', () => {
  it('stay away from pipes and NO_COLOR', () => {
    expect(createStyle({ isTTY: true }, {}).red('x')).toBe('\u001b[31mx\u001b[39m');
    expect(createStyle({ isTTY: true }, { NO_COLOR: '1' }).red('x')).toBe('x');
    expect(createStyle({}, {}).red('x')).toBe('x');
  });
});

it('a table aligns columns and defuses control characters', () => {
  const rows = [
    { name: 'a', count: 5 },
    { name: 'long\u001b]0;x', count: 1234 },
  ];
  const text = table(rows, [
    { title: 'NAME', value: (r) => r.name },
    { title: 'COUNT', value: (r) => r.count, align: 'right' },
  ]);
  expect(text.split('\n')).toEqual(['NAME          COUNT', 'a                 5', 'long\\x1b]0;x   1234']);
});
