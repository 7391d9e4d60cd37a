import { existsSync } from 'node:fs';
import { issueText, type LoadedConfig, type LoadOptions, loadConfig, migrateFile } from '../config/index.ts';
import type { Ui } from './ui/ui.ts';

export interface CommandConfigOptions extends LoadOptions {
  /** Say nothing about warnings. */
  readonly quiet?: boolean;
  /** Bring a file of an older version up to date first; the old one is kept beside it. */
  readonly migrate?: boolean;
}

/** Loads the configuration of a command and tells the person about its warnings. */
export function loadForCommand(file: string, ui: Ui, options: CommandConfigOptions = {}): LoadedConfig {
  const { quiet, migrate, ...load } = options;
  if (migrate && existsSync(file)) {
    const { steps, backup } = migrateFile(file, Date.now());
    if (steps.length > 0)
      ui.note(`${file} was brought up to date (${steps.join('; ')}); the old one is ${backup}`);
  }
  const loaded = loadConfig(file, load);
  if (!quiet) for (const warning of loaded.warnings) ui.note(issueText(warning));
  return loaded;
}
