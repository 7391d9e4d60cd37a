/**
 * The float64 with the fewest decimal digits that still rounds to the float32 `value`: 0.9942883 in place of
 * 0.9942883253097534. Models answer in float32, whose digits beyond the ninth are only what widening makes of it:
 * left in, they double the size of every result in the journal and on the wire and are read by people as precision.
 * `Math.fround` of the answer is `value`, bit for bit.
 */
export function shortestDecimal(value: number): number {
  if (Number.isInteger(value)) return value;
  for (let digits = 7; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9)); // nine digits tell any two float32 apart
}
