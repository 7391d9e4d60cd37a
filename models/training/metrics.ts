/** Share of positives found and of negatives called positive when scores ≥ `threshold` count as positive. */
export function rates(
  scores: Float32Array,
  truth: Float32Array,
  threshold: number,
): { recall: number; falseAlarms: number; precision: number } {
  let hit = 0;
  let positive = 0;
  let alarm = 0;
  for (let i = 0; i < truth.length; i++) {
    const called = scores[i]! >= threshold;
    if (truth[i] === 1) {
      positive++;
      if (called) hit++;
    } else if (called) alarm++;
  }
  const round = (x: number): number => Math.round(x * 1e4) / 1e4;
  return {
    recall: round(hit / positive),
    falseAlarms: round(alarm / (truth.length - positive)),
    precision: round(hit / Math.max(1, hit + alarm)),
  };
}

/** Share of rows whose largest score is the right class, overall and per class. */
export function accuracy(
  scores: Float32Array,
  truth: readonly number[],
  labels: readonly string[],
): { accuracy: number; recall: Record<string, number> } {
  const hits = labels.map(() => 0);
  const totals = labels.map(() => 0);
  truth.forEach((right, n) => {
    const row = scores.subarray(n * labels.length, (n + 1) * labels.length);
    totals[right]!++;
    if (row.indexOf(Math.max(...row)) === right) hits[right]!++;
  });
  const round = (x: number): number => Math.round(x * 1e4) / 1e4;
  const all = hits.reduce((a, b) => a + b, 0) / truth.length;
  return {
    accuracy: round(all),
    recall: Object.fromEntries(labels.map((label, i) => [label, round(hits[i]! / Math.max(1, totals[i]!))])),
  };
}

/** `{a: 1}` under `prefix` as `{prefix_a: 1}`: cards hold flat figures. */
export function named(prefix: string, figures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(figures).map(([key, value]) => [`${prefix}_${key}`, value]));
}
