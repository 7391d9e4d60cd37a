import { GatewayError } from '../../errors.ts';
import { parseCondition } from '../../stream/condition.ts';
import type { Finding, Path } from '../issues.ts';
import type { Draft } from './draft.ts';

/** `publish.when` parses. */
export function conditionRules(draft: Draft): Finding[] {
  return draft.pipelines.flatMap((pipeline): Finding[] => {
    const path: Path = [...pipeline.path, 'publish', 'when'];
    const text = draft.at(path);
    const problem = typeof text === 'string' ? conditionProblem(text) : undefined;
    if (problem === undefined) return [];
    return [
      {
        path,
        message: problem,
        expected: 'a condition on the outputs of the model, such as score >= 0.9 and label == "fault"',
        fix: 'compare outputs with ==, !=, <, <=, >, >=; combine with and, or, not',
      },
    ];
  });
}

function conditionProblem(text: string): string | undefined {
  try {
    parseCondition(text);
    return undefined;
  } catch (error) {
    if (error instanceof GatewayError) return error.message;
    throw error;
  }
}
