import type { Finding, Path } from '../issues.ts';
import type { Draft } from './draft.ts';

/** Says what is wrong with an expression, undefined when it parses. */
export type ExpressionCheck = (text: string) => string | undefined;

/** `publish.when` parses. */
export function expressionRules(check: ExpressionCheck): (draft: Draft) => Finding[] {
  return (draft) =>
    draft.pipelines.flatMap((pipeline): Finding[] => {
      const path: Path = [...pipeline.path, 'publish', 'when'];
      const text = draft.at(path);
      const problem = typeof text === 'string' ? check(text) : undefined;
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
