import type { Finding, Path } from '../issues.ts';
import type { Draft } from './draft.ts';

/** Most windows of one key that may be open at once: bounds the memory a sliding window can take. */
const MAX_OPEN_WINDOWS = 10_000;
/** Most windows that share a sample. */
const MAX_OVERLAP = 32;

/** Lengths are positive, and steps fit the lengths. */
export function windowRules(draft: Draft): Finding[] {
  return [
    ...draft.pipelines.flatMap((pipeline) => {
      const window = pipeline.config?.window;
      if (!window) return [];
      const path: Path = [...pipeline.path, 'window'];
      if ('session' in window) return positive([...path, 'session'], window.session);
      if ('count' in window) return gaps(path, window.count, window.every);
      if ('samples' in window)
        return [...gaps(path, window.samples, window.every), ...overlapping(path, window)];
      const bad = [
        ...positive([...path, 'time'], window.time),
        ...(window.every === undefined ? [] : positive([...path, 'every'], window.every)),
      ];
      return bad.length > 0 ? bad : [...gaps(path, window.time, window.every), ...tooMany(path, window)];
    }),
    ...draft.aggregates.flatMap((a) => (a.config ? positive([...a.path, 'every'], a.config.every) : [])),
  ];
}

function positive(path: Path, ms: number): Finding[] {
  if (ms > 0) return [];
  return [
    { path, message: 'a length of nothing', expected: 'a duration above 0', fix: 'write for example 10s' },
  ];
}

function gaps(path: Path, length: number, every: number | undefined): Finding[] {
  if (every === undefined || every <= length) return [];
  return [
    {
      severity: 'warning',
      path: [...path, 'every'],
      message: 'the step is longer than the window: readings between windows are never looked at',
      expected: 'at most the length of the window',
      fix: 'make "every" smaller, or leave it out for windows side by side',
    },
  ];
}

/** One reading may complete many windows: what they hold together is bounded by what it holds. */
function overlapping(path: Path, window: { samples: number; every?: number | undefined }): Finding[] {
  const least = Math.ceil(window.samples / MAX_OVERLAP);
  if ((window.every ?? window.samples) >= least) return [];
  return [
    {
      path: [...path, 'every'],
      message: `each sample would be in more than ${MAX_OVERLAP} windows`,
      expected: `at least ${least}`,
      fix: 'make "every" larger, or use a graph with a window node',
    },
  ];
}

function tooMany(path: Path, window: { time: number; every?: number | undefined }): Finding[] {
  const open = Math.ceil(window.time / (window.every ?? window.time));
  if (open <= MAX_OPEN_WINDOWS) return [];
  return [
    {
      path: [...path, 'every'],
      message: `${open} windows of each device would be open at once`,
      expected: `at most ${MAX_OPEN_WINDOWS}`,
      fix: 'make "every" larger',
    },
  ];
}
