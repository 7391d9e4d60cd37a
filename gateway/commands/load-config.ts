import { issueText, type LoadedConfig, type LoadOptions, loadConfig } from '../config/index.ts';
import type { Ui } from './ui/ui.ts';

/** Loads the configuration of a command and tells the person about its warnings. */
export function loadForCommand(
  file: string,
  ui: Ui,
  options: LoadOptions & { quiet?: boolean } = {},
): LoadedConfig {
  const { quiet, ...load } = options;
  const loaded = loadConfig(file, load);
  if (!quiet) for (const warning of loaded.warnings) ui.note(issueText(warning));
  return loaded;
}
