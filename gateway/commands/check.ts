import { ConfigError, configJsonSchema, describePlan, issueText, planText } from '../config/index.ts';
import type { Command } from './command.ts';
import { installedModels } from './installed-models.ts';

/** `check`: validates the configuration, and tells what it would do. */
export const check: Command = {
  name: 'check',
  summary: 'validate the configuration; --explain prints the plan',
  usage: ['check [--config FILE] [--explain] [--json]', 'check --schema'],
  help: `
  --explain  print what the gateway would do: doors, streams, pipelines, aggregates, sinks and cursors
  --schema   print the JSON Schema of gateway.yaml, for editors

Every problem is printed as file:line:column with what was received, what was expected and how to mend it.`,
  options: { explain: { type: 'boolean' }, schema: { type: 'boolean' } },
  async run(context) {
    if (context.flag('schema')) {
      context.ui.out(JSON.stringify(configJsonSchema(), null, 2));
      return 0;
    }
    try {
      const { models, broken } = await installedModels(context.configFile);
      for (const error of broken) context.ui.note(`models: ${error.message}`);
      const loaded = context.config({ quiet: true, ...(models && { models }) });
      const plan = context.flag('explain') ? describePlan(loaded.config) : undefined;
      context.print(
        { valid: true, file: loaded.file, warnings: loaded.warnings, ...(plan && { plan }) },
        () =>
          [
            ...loaded.warnings.map(issueText),
            ...(plan ? [planText(plan), ''] : []),
            context.ui.style.green(`${loaded.file} is valid${warningCount(loaded.warnings.length)}`),
          ].join('\n'),
      );
      return 0;
    } catch (error) {
      if (!(error instanceof ConfigError) || !context.json) throw error;
      context.print({ valid: false, file: context.configFile, issues: error.issues }, () => '');
      return 2;
    }
  },
};

const warningCount = (count: number): string =>
  count === 0 ? '' : `, with ${count} ${count === 1 ? 'warning' : 'warnings'}`;
