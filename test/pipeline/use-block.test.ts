import { expect, test } from 'vitest';
import { share, shareBlock } from '../../gateway/billing/metering/measure.ts';
import { ResultText } from '../../gateway/pipeline/result-json.ts';
import { UseBlock } from '../../gateway/pipeline/use-block.ts';

const MODEL = { name: 'm', version: '1.0.0', sha256: 'ff' };

test('shares the receipt that its uses one by one would share, again after it has begun anew', () => {
  const text = new ResultText('gw/p', 'p');
  text.use(MODEL);
  const block = new UseBlock('pipeline/p', MODEL);
  for (const keys of [['a', 'ünï "x"', 'b'], ['c'], ['a', 'a']]) {
    block.begin(MODEL, 1_700_000_000_000);
    const answers = keys.map((key, i) => {
      const values = Float64Array.from([i, i / 3]);
      text.writeDocument(block.answer(), key, 1000 + i, i, [], 0);
      const answer = block.answered();
      block.bill({ key, time: 1000 + i, ordinal: i, arrival: 0, rows: 2, values }, 1, 2.6 * i, text);
      return answer;
    });
    const uses = keys.map((_, i) => block.use(i));
    expect(uses.map(({ answer }) => answer)).toEqual(answers);
    expect(uses.map(({ requestId }) => requestId)).toEqual(
      keys.map((key, i) => `gw/p/${key}/${1000 + i}-${i}`),
    );
    for (const { request, answer, bytesOut } of uses) {
      expect(JSON.parse(request)).toMatchObject({ id: JSON.parse(answer).id, rows: 2, columns: 1 });
      expect(bytesOut).toBe(Buffer.byteLength(answer));
    }
    const [one] = share(uses);
    expect(shareBlock(block)).toEqual(one);
  }
});
