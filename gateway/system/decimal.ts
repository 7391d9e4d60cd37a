/** 10^0 … 10^22, all exact in a float64. */
const POWERS = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));
/** Digits that tell most float32 apart, and all of them. */
const FEWEST_DIGITS = 7;
const MOST_DIGITS = 9;

/** Range of what {@link split} takes; beyond it JavaScript writes exponents, or the value is a whole number anyway. */
const LEAST = 1e-6;
const MOST = 1e7;

/**
 * The decimal that {@link split} found: `digits / 10^scale`. Shared, not returned: this runs for every number of every
 * result.
 */
export const decimal = { digits: 0, scale: 0 };

/**
 * Finds the decimal with the fewest digits, seven at least and nine at most, that still rounds to the float32 `value`
 * (positive), and leaves it in {@link decimal} without trailing zeros. Answers false when the value is out of range.
 */
export function split(value: number): boolean {
  if (!(value >= LEAST && value < MOST)) return false;
  let scale = FEWEST_DIGITS - 1;
  if (value < 1) while (value * POWERS[scale]! < POWERS[FEWEST_DIGITS - 1]!) scale++;
  else while (value >= POWERS[FEWEST_DIGITS - scale]!) scale--;
  const last = scale + MOST_DIGITS - FEWEST_DIGITS;
  let digits = Math.round(value * POWERS[scale]!);
  // Both are whole and exact, so the quotient is the float64 nearest to the decimal.
  while (scale < last && Math.fround(digits / POWERS[scale]!) !== value)
    digits = Math.round(value * POWERS[++scale]!);
  while (scale > 0 && digits % 10 === 0) {
    digits /= 10;
    scale--;
  }
  decimal.digits = digits;
  decimal.scale = scale;
  return true;
}

/**
 * The float64 with the fewest decimal digits that still rounds to the float32 `value`: 0.9942883 in place of
 * 0.9942883253097534. Models answer in float32, whose digits beyond the ninth are only what widening makes of it:
 * left in, they double the size of every result in the journal and on the wire and are read by people as precision.
 * `Math.fround` of the answer is `value`, bit for bit.
 */
export function shortestDecimal(value: number): number {
  if (Number.isInteger(value)) return value;
  if (split(Math.abs(value))) {
    const short = decimal.digits / POWERS[decimal.scale]!;
    return value < 0 ? -short : short;
  }
  for (let digits = FEWEST_DIGITS; digits < MOST_DIGITS; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(MOST_DIGITS));
}
