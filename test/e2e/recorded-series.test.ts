import { expect, it } from 'vitest';
import { holds, nabTest } from '../fault/nab.ts';
import { testData } from '../support/data.ts';

const data = testData('nab');

// The same with all series and a longer cut: test/fault/nab.ts.
it.skipIf(data === null)(
  'two recorded series come out of both doors bit by bit, over a cut upstream and a killed core',
  async () => {
    const report = await nabTest({ cut: 2, series: 2, kill: 1, rows: 20 }, console.log);
    expect(report).toMatchObject({
      wrong: { mqtt: 0, coap: 0 },
      rowsOut: { mqtt: report.rowsIn, coap: report.rowsIn },
      results: { mqtt: report.expectedResults, coap: report.expectedResults },
      differentResults: 0,
      auditHolds: true,
    });
    expect(holds(report)).toBe(true);
  },
  120_000,
);
