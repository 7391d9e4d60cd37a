import type { OnnxGraph } from '../training/onnx.ts';
import { COLUMNS, INVERSE_STEPS, PARAMETERS as P } from './parameters.ts';

const K = COLUMNS;

/** The state tensors of one device, without the batch. */
export const STATE: Readonly<Record<string, readonly number[]>> = {
  count: [K],
  level: [K],
  reference: [K],
  covariance: [K, K],
  /** 1 while an alarm stands, its peak, readings of settling left, the largest statistic while learning. */
  alarm: [4],
};

/** The arithmetic of `detector.ts` as ONNX operators, for a batch of devices with 1 to 16 columns each. */
export function detectorGraph(graph: OnnxGraph): void {
  const c = (x: number): string => graph.floats([x], [1]);
  const int = (...xs: number[]): string => graph.integers(xs);
  const op =
    (name: string) =>
    (...input: string[]): string =>
      graph.node(name, input);
  const [add, sub, mul, div, where, and, or, not, matmul] = [
    'Add',
    'Sub',
    'Mul',
    'Div',
    'Where',
    'And',
    'Or',
    'Not',
    'MatMul',
  ].map(op) as [Op, Op, Op, Op, Op, Op, Op, Op, Op];
  const [less, more, least, most] = ['Less', 'Greater', 'Min', 'Max'].map(op) as [Op, Op, Op, Op];
  const clip = (x: string, bound: string): string => most(least(x, bound), graph.node('Neg', [bound]));
  const limit = (x: string, low: number, high: number): string => most(least(x, c(high)), c(low));
  const number = (flag: string): string => graph.node('Cast', [flag], { to: 1 });
  const total = (x: string): string => graph.node('ReduceSum', [x, int(1)], { keepdims: 1 });
  const largest = (x: string): string => graph.node('ReduceMax', [x], { axes: [1], keepdims: 1 });
  const column = (x: string): string => graph.node('Unsqueeze', [x, int(2)]);
  const across = (x: string): string => graph.node('Unsqueeze', [x, int(1)]);
  const outer = (x: string): string => mul(column(x), across(x));
  const between = (x: string, at: (a: string, b: string) => string): string => at(column(x), across(x));
  const atLeast = (x: string, bound: number): string => not(less(x, c(bound)));

  const window = graph.input('window', ['N', 1, 'C']);
  const state = Object.fromEntries(
    Object.entries(STATE).map(([name, shape]) => [name, graph.input(name, ['N', ...shape])]),
  );
  const { count, level: before, reference, covariance, alarm: kept } = state as Record<string, string>;
  const part = (i: number): string => graph.node('Slice', [kept!, int(i), int(i + 1), int(1)]);
  const [wasOn, oldPeak, oldSettling, oldHighest] = [part(0), part(1), part(2), part(3)];
  const wasAlarm = more(wasOn, c(0.5));

  // The row, filled up with NaN to sixteen columns; more than sixteen make the filling's size negative, which fails.
  const flat = graph.node('Squeeze', [window, int(1)]);
  const shape = graph.node('Shape', [window]);
  const columns = graph.node('Slice', [shape, int(2), int(3), int(0)]);
  const batch = graph.node('Slice', [shape, int(0), int(1), int(0)]);
  const missing = graph.node('Concat', [batch, sub(int(K), columns)], { axis: 0 });
  const filling = graph.node('Expand', [graph.floats([Number.NaN], [1, 1]), missing]);
  const row = graph.node('Concat', [flat, filling], { axis: 1 });
  const given = not(graph.node('IsNaN', [row]));

  const rate = (seen: string, time: number): string => most(div(c(1), add(seen, c(1))), c(1 / time));
  const value = where(given, limit(row, -P.largest, P.largest), before!);
  const level = add(before!, mul(sub(value, before!), rate(count!, P.level)));

  const seenMost = largest(count!);
  const learning = less(seenMost, c(P.learn));
  const noting = and(learning, atLeast(seenMost, P.note));
  const needed = where(noting, c(P.note), c(P.learn));
  const known = not(less(count!, needed));

  const identity = graph.floats(
    Float32Array.from({ length: K * K }, (_, i) => (i % (K + 1) === 0 ? 1 : 0)),
    [1, K, K],
  );
  const variance = graph.node('ReduceSum', [mul(covariance!, identity), int(2)], { keepdims: 0 });
  const floor = add(mul(graph.node('Abs', [reference!]), c(P.relativeFloor)), c(P.floor));
  const spread = add(graph.node('Sqrt', [most(variance, c(0))]), floor);
  const deviation = sub(level, reference!);
  const judged = number(and(known, given));
  const far = mul(limit(div(deviation, spread), -P.furthest, P.furthest), judged);

  // Newton's iteration X ← X (2 I - R X) from I / ‖R‖∞; the eigenvalues of R are at least the shrinkage.
  const knownPairs = outer(number(known));
  const apart = graph.floats(
    Float32Array.from({ length: K * K }, (_, i) => (i % (K + 1) === 0 ? 0 : 1 - P.shrinkage)),
    [1, K, K],
  );
  const scaled = div(div(covariance!, column(spread)), across(spread));
  const correlation = add(mul(mul(scaled, apart), knownPairs), identity);
  const rowSums = graph.node('ReduceSum', [graph.node('Abs', [correlation]), int(2)], { keepdims: 0 });
  let inverse = mul(identity, column(div(c(1), largest(rowSums))));
  const twice = mul(identity, c(2));
  for (let i = 0; i < INVERSE_STEPS; i++) inverse = matmul(inverse, sub(twice, matmul(correlation, inverse)));
  const solved = graph.node('Squeeze', [matmul(inverse, column(far)), int(2)]);
  const square = div(total(mul(far, solved)), most(total(number(known)), c(1)));
  const joint = div(graph.node('Sqrt', [most(square, c(0))]), c(P.joint));
  const statistic = most(joint, div(largest(graph.node('Abs', [far])), c(P.single)));

  const highest = where(learning, most(oldHighest, statistic), oldHighest);
  const threshold = limit(mul(highest, c(P.margin)), 1, P.highest);

  // Alarms.
  const calm = not(learning);
  const settlingBefore = more(oldSettling, c(0));
  const raised = where(and(calm, wasAlarm), most(oldPeak, statistic), oldPeak);
  const again = most(threshold, mul(raised, c(P.again * P.endOfPeak)));
  const beginsAt = where(settlingBefore, again, threshold);
  const begins = and(and(calm, not(wasAlarm)), more(statistic, beginsAt));
  const endsAt = most(mul(threshold, c(P.end)), mul(raised, c(P.endOfPeak)));
  const ends = and(and(calm, wasAlarm), less(statistic, endsAt));
  const peak = where(and(begins, not(settlingBefore)), statistic, raised);
  const alarm = or(and(wasAlarm, not(ends)), begins);
  const fewer = where(alarm, oldSettling, most(sub(oldSettling, c(1)), c(0)));
  const settling = where(ends, c(P.after), where(calm, fewer, oldSettling));

  // References, spread and correlation.
  const settles = more(settling, c(0));
  const time = where(
    alarm,
    c(1 / P.referenceInAlarm),
    where(settles, c(1 / P.referenceAfter), c(1 / P.reference)),
  );
  const steady = where(or(alarm, settles), c(0), c(1 / P.spread));
  const learnt = atLeast(count!, P.learn);
  const away = where(learnt, clip(deviation, mul(spread, c(P.outlier))), deviation);
  const seen = between(count!, least);
  const early = where(atLeast(seen, P.settle), rate(most(sub(seen, c(P.settle)), c(0)), P.spread), c(0));
  const weight = mul(where(atLeast(seen, P.learn), column(steady), early), outer(number(given)));
  const nextCovariance = add(covariance!, mul(sub(outer(away), covariance!), weight));
  const weightOfLevel = mul(where(learnt, time, rate(count!, P.reference)), number(given));
  const nextReference = add(reference!, mul(deviation, weightOfLevel));

  const share = div(statistic, threshold);
  const standing = most(c(0.5), sub(c(1), div(c(0.5), most(share, c(1e-6)))));
  const ordinary = least(mul(share, c(0.5)), c(0.499));
  const score = where(learning, c(0), where(alarm, standing, ordinary));
  const learned = least(div(add(seenMost, c(1)), c(P.learn)), c(1));
  const deviations = graph.node('Slice', [far, int(0), columns, int(1)]);

  graph.output('score', score, ['N', 1]);
  graph.output('deviations', deviations, ['N', 'C']);
  graph.output('learned', learned, ['N', 1]);
  const next: Record<string, string> = {
    count: add(count!, number(given)),
    level,
    reference: nextReference,
    covariance: nextCovariance,
    alarm: graph.node('Concat', [number(alarm), peak, settling, highest], { axis: 1 }),
  };
  for (const [name, shape] of Object.entries(STATE))
    graph.output(`${name}_next`, next[name]!, ['N', ...shape]);
}

type Op = (...input: string[]) => string;
