import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { GatewayError } from '../errors.ts';
import { ConfigError, type ConfigIssue, type Finding } from './issues.ts';
import { CONFIG_VERSION } from './migrations/index.ts';
import { resolvePaths } from './paths.ts';
import { conditionRules } from './rules/conditions.ts';
import { createDraft, type InstalledModel, type Rule } from './rules/draft.ts';
import { fileRules } from './rules/files.ts';
import { networkRules } from './rules/network.ts';
import { referenceRules } from './rules/references.ts';
import { streamRules } from './rules/streams.ts';
import { topicRules } from './rules/topics.ts';
import { windowRules } from './rules/windows.ts';
import { type Config, configSchema } from './schema.ts';
import { shapeFindings } from './shape.ts';
import { readYaml, type YamlSource } from './source.ts';

export interface LoadOptions {
  /** Installed bundles, so that references to others are errors. Default: references are only checked for their form. */
  readonly models?: readonly InstalledModel[];
  /** Whether the files it names must exist. Default true. */
  readonly checkFiles?: boolean;
}

export interface LoadedConfig {
  /** Absolute path of the file. */
  readonly file: string;
  /** Defaults filled in, sizes in bytes, durations in ms, paths absolute. */
  readonly config: Config;
  readonly warnings: readonly ConfigIssue[];
}

/** A configuration is written by hand; what is larger than this is another file. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/**
 * Reads and checks a gateway.yaml. Throws {@link ConfigError} with every problem in it, or `CONFIG_UNREADABLE` when
 * there is nothing to check.
 */
export function loadConfig(file: string, options: LoadOptions = {}): LoadedConfig {
  const path = resolve(file);
  return parseConfig(readText(path), path, options);
}

/** Checks the text of a gateway.yaml; relative paths in it start at the folder of `file`. */
export function parseConfig(text: string, file: string, options: LoadOptions = {}): LoadedConfig {
  const source = readYaml(text, file);
  if (source.value === undefined) throw new ConfigError(file, inOrder(source.issues));
  const newer = newerVersion(source);
  if (newer) throw new ConfigError(file, [source.issue(newer)]);
  const parsed = configSchema.safeParse(source.value);
  const findings = parsed.success ? [] : shapeFindings(parsed.error.issues, source.at);
  const draft = createDraft(source.value, source.at);
  const context = {
    folder: dirname(resolve(file)),
    models: options.models,
    checkFiles: options.checkFiles ?? true,
  };
  for (const rule of RULES) findings.push(...rule(draft, context));
  const issues = inOrder([...source.issues, ...findings.map(source.issue)]);
  if (!parsed.success || issues.some((issue) => issue.severity === 'error'))
    throw new ConfigError(file, issues);
  return { file, config: resolvePaths(parsed.data, file), warnings: issues };
}

const RULES: readonly Rule[] = [
  referenceRules,
  topicRules,
  streamRules,
  windowRules,
  networkRules,
  fileRules,
  conditionRules,
];

/** A file of a later version cannot be judged by this program: say so and nothing else. */
function newerVersion(source: YamlSource): Finding | undefined {
  const version = source.at(['version']);
  if (typeof version !== 'number' || version <= CONFIG_VERSION) return undefined;
  return {
    path: ['version'],
    message: 'the file was written for a newer gateway',
    expected: `version ${CONFIG_VERSION} or older`,
    fix: 'update the gateway, or go back to the backup beside the file',
  };
}

function inOrder(issues: readonly ConfigIssue[]): ConfigIssue[] {
  return [...issues].sort((a, b) => a.line - b.line || a.column - b.column);
}

function readText(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > MAX_FILE_BYTES) {
      throw new GatewayError('CONFIG_UNREADABLE', `${path} is no configuration file`, {
        received: `${size} bytes`,
        expected: `at most ${MAX_FILE_BYTES} bytes`,
      });
    }
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new GatewayError('CONFIG_UNREADABLE', `cannot read ${path}`, {
      received: code,
      expected: 'a readable gateway.yaml',
      cause: error,
    });
  }
}
