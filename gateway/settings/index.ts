import {
  ConfigError,
  type ConfigIssue,
  configJsonSchema,
  type LoadedConfig,
  type LoadOptions,
  parseConfig,
} from '../config/index.ts';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type {
  SettingsAdmin,
  SettingsCheck,
  SettingsIssue,
  SettingsSaved,
  SettingsView,
} from '../http/index.ts';
import { changesOf } from './changes.ts';
import { diffLines } from './diff.ts';
import { etagOf, readSettings, writeSettings } from './file.ts';

export interface SettingsParts {
  /** Absolute path of gateway.yaml. */
  readonly file: string;
  /** What runs. */
  readonly running: Config;
  /** Installed models, for references to them. */
  models(): NonNullable<LoadOptions['models']>;
  /** Called with a configuration that was saved. */
  saved(config: Config): void;
}

/** Reads, checks and saves gateway.yaml for people. Every method is quick and synchronous inside, so writers take turns. */
export function createSettings({ file, running, models, saved }: SettingsParts): SettingsAdmin {
  const check = (text: string): Checked => checkText(text, file, models());
  return {
    read(): SettingsView {
      const found = readSettings(file) ?? { text: '', etag: etagOf('') };
      const { config, issues } = check(found.text);
      return {
        file,
        ...found,
        valid: config !== undefined,
        issues,
        restartPending: config !== undefined && changesOf(running, config).some(({ restart }) => restart),
        schema: configJsonSchema() as Record<string, unknown>,
      };
    },
    check(text: string): SettingsCheck {
      const before = readSettings(file)?.text ?? '';
      const { config, issues } = check(text);
      const changes = config === undefined ? [] : changesOf(running, config);
      return {
        valid: config !== undefined,
        issues,
        diff: diffLines(before, text),
        changes,
        restart: changes.some(({ restart }) => restart),
      };
    },
    save(text: string, seen: string): SettingsSaved {
      const { config, error } = check(text);
      if (config === undefined) throw error;
      const backup = writeSettings(
        file,
        text,
        readSettings(file) === null && seen === etagOf('') ? null : seen,
      );
      const changes = changesOf(running, config);
      saved(config);
      return { etag: etagOf(text), backup, changes, restart: changes.some(({ restart }) => restart) };
    },
  };
}

interface Checked {
  readonly config: Config | undefined;
  readonly issues: SettingsIssue[];
  readonly error: GatewayError | undefined;
}

/** Checks the text of a gateway.yaml as `aimx-gateway check` does. */
export function checkText(text: string, file: string, models: LoadOptions['models']): Checked {
  try {
    const loaded: LoadedConfig = parseConfig(text, file, models ? { models } : {});
    return { config: loaded.config, issues: loaded.warnings.map(issueOf), error: undefined };
  } catch (error) {
    if (error instanceof ConfigError) return { config: undefined, issues: error.issues.map(issueOf), error };
    if (error instanceof GatewayError) return { config: undefined, issues: [wholeFile(error)], error };
    throw error;
  }
}

function issueOf({
  severity,
  line,
  column,
  path,
  message,
  received,
  expected,
  fix,
}: ConfigIssue): SettingsIssue {
  return { severity, line, column, path, message, received: received ?? null, expected, fix };
}

const wholeFile = ({ message, expected, fix }: GatewayError): SettingsIssue => ({
  severity: 'error',
  line: 1,
  column: 1,
  path: '',
  message,
  received: null,
  expected: expected ?? 'a readable gateway.yaml',
  fix,
});
