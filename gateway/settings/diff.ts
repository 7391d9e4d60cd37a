import type { SettingsCheck } from '../http/index.ts';

type Line = SettingsCheck['diff'][number];

/** Lines shown around a change. */
const AROUND = 3;
/** Cells of the table; beyond it the middle is told as removed and added whole. */
const MAX_CELLS = 4_000_000;

/** Lines of two texts that differ, with a few around them. */
export function diffLines(before: string, after: string): Line[] {
  const a = before.split('\n');
  const b = after.split('\n');
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a.at(-1 - end) === b.at(-1 - end)) end++;
  const middle = between(a.slice(start, a.length - end), b.slice(start, b.length - end), start);
  if (middle.length === 0) return [];
  return around([
    ...a.slice(0, start).map((text, i) => same(i, text)),
    ...middle,
    ...a.slice(a.length - end).map((text, i) => same(a.length - end + i, text)),
  ]);
}

const same = (index: number, text: string): Line => ({ kind: 'same', line: index + 1, text });

/** Longest common subsequence by the usual table. @param offset lines before both */
function between(a: readonly string[], b: readonly string[], offset: number): Line[] {
  const removed = (i: number): Line => ({ kind: 'removed', line: offset + i + 1, text: a[i]! });
  const added = (i: number): Line => ({ kind: 'added', line: offset + i + 1, text: b[i]! });
  if (a.length * b.length > MAX_CELLS) return [...a.map((_, i) => removed(i)), ...b.map((_, i) => added(i))];
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i * width + j] =
        a[i] === b[j]
          ? table[(i + 1) * width + j + 1]! + 1
          : Math.max(table[(i + 1) * width + j]!, table[i * width + j + 1]!);
    }
  }
  const lines: Line[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(same(offset + i, a[i]!));
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && table[(i + 1) * width + j]! >= table[i * width + j + 1]!))
      lines.push(removed(i++));
    else lines.push(added(j++));
  }
  return lines;
}

function around(lines: readonly Line[]): Line[] {
  const near = new Set<number>();
  lines.forEach((line, at) => {
    if (line.kind === 'same') return;
    for (let i = at - AROUND; i <= at + AROUND; i++) near.add(i);
  });
  return lines.filter((_, i) => near.has(i));
}
