export { ConfigError, type ConfigIssue, issueText } from './issues.ts';
export { configJsonSchema } from './json-schema.ts';
export { type LoadedConfig, type LoadOptions, loadConfig, parseConfig } from './load.ts';
export { migrateFile } from './migrations/index.ts';
export { describePlan, planText } from './plan.ts';
