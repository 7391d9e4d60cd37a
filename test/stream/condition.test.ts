import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GatewayError } from '../../gateway/errors.ts';
import { parseCondition } from '../../gateway/stream/condition.ts';

const OUTPUTS = { score: 0.93, label: 'fault', scores: [0.1, 0.7], on: true, 'a-b': 3, empty: '' };
const DOCUMENT = { device: 'm1', time: 1000, model: { version: '1.2.0' }, outputs: OUTPUTS };

test.each([
  ['score >= 0.9 and label == "fault"', true],
  ["score >= 0.9 and label == 'ok'", false],
  ['score < 0.9 or label != "ok"', true],
  ['not score > 0.95', true],
  ['not (score > 0.5 and label == "fault")', false],
  ['score > 0.5 && !(label == "ok") || false', true],
  ['false or false and true', false],
  ['true or false and false', true],
  ['scores[1] > 0.5', true],
  ['scores[9] > 0.5', false],
  ['scores[0] == 1e-1', true],
  ['outputs.score > 0.9', true],
  ['device == "m1" and model.version == "1.2.0"', true],
  ['on', true],
  ['not on', false],
  ['missing > 1', false],
  ['missing == null', true],
  ['missing != 1', true],
  ['label > 5', false],
  ['score > -1', true],
  ['a-b == 3', true],
  ['label == "fa\\ult"', true],
  ['constructor == null and scores.length == null', false],
  ['toString == null', true],
  ['((((score)))) > 0', true],
])('%s is %s', (text, expected) => {
  expect(parseCondition(text)(OUTPUTS, DOCUMENT)).toBe(expected);
});

test.each([
  ['', 1],
  ['score >', 8],
  ['score >= 0.9 and', 17],
  ['score = 1', 7],
  ['score > 1 2', 11],
  ['(score > 1', 11],
  ['score > "open', 9],
  ['scores[x]', 8],
  ['scores.5', 8],
  ['and score', 1],
  ['score > 1 § 2', 11],
  ['- label', 3],
])('%s fails at column %i', (text, column) => {
  const error = failure(text);
  expect(error.code).toBe('CONDITION_SYNTAX');
  expect(error.message).toContain(`column ${column}:`);
  expect(error.received).toBe(text);
});

test('nesting and length are bounded', () => {
  expect(failure('('.repeat(500)).message).toContain('nested too deeply');
  expect(failure('not '.repeat(300)).message).toContain('nested too deeply');
  expect(failure(`a == ${'1'.repeat(5000)}`).message).toContain('too long');
});

test('any text either compiles or fails with the coded error', () => {
  const word = fc.constantFrom(
    'score',
    'and',
    'or',
    'not',
    '(',
    ')',
    '>',
    '==',
    '0.5',
    '"x"',
    '[',
    ']',
    '.',
    '-',
    '!',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word).map((words) => words.join(' ')),
      ),
      (text) => {
        try {
          expect(typeof parseCondition(text)(OUTPUTS, DOCUMENT)).toBe('boolean');
        } catch (error) {
          expect((error as GatewayError).code).toBe('CONDITION_SYNTAX');
        }
      },
    ),
    { seed: 51, numRuns: 1000 },
  );
});

function failure(text: string): GatewayError {
  try {
    parseCondition(text);
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    return error as GatewayError;
  }
  throw new Error(`${text} compiled`);
}
