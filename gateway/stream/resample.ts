/**
 * Fits row-major `values` (`rows × columns`) into `wanted` rows by linear interpolation over evenly spaced row
 * positions, first and last row kept; a single row is repeated.
 */
export function resample(values: Float64Array, rows: number, columns: number, wanted: number): Float64Array {
  if (rows === wanted) return values;
  const out = new Float64Array(wanted * columns);
  const step = wanted > 1 ? (rows - 1) / (wanted - 1) : 0;
  for (let r = 0; r < wanted; r++) {
    const at = Math.min(r * step, rows - 1);
    const below = Math.floor(at);
    const share = at - below;
    const from = below * columns;
    const next = Math.min(below + 1, rows - 1) * columns;
    for (let c = 0; c < columns; c++) {
      const low = values[from + c]!;
      out[r * columns + c] = share === 0 ? low : low + (values[next + c]! - low) * share;
    }
  }
  return out;
}
