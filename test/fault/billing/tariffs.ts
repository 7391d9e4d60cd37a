import { checkTariffs } from '../../billing/tariff-vectors.ts';
import { type Row, whole } from './row.ts';

const VECTORS = 1_000_000;

/** Row 13: random tariffs and uses against the plain definition, in whole numbers without bound. */
export const tariffRow: Row = {
  number: 13,
  test: 'tariff: 10⁶ random vectors',
  target: 'Σ amounts = cumulative; total error < 1 wei',
  async run({ seed }) {
    const vectors = checkTariffs(VECTORS, seed);
    return { passed: vectors >= VECTORS, measured: `${whole(vectors)} uses, every total exact` };
  },
};
