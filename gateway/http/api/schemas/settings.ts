import { z } from 'zod';

/** One thing that is wrong, or doubtful, in gateway.yaml. */
export const settingsIssue = z.object({
  severity: z.enum(['error', 'warning']),
  line: z.number().int().min(1),
  column: z.number().int().min(1),
  path: z.string().describe('`streams[0].id`; empty for the whole file'),
  message: z.string(),
  received: z.string().nullable(),
  expected: z.string(),
  fix: z.string(),
});

export const settingsView = z.object({
  file: z.string(),
  text: z.string(),
  etag: z.string().describe('Of the text; the header ETag holds the same'),
  valid: z.boolean(),
  issues: z.array(settingsIssue),
  restartPending: z.boolean().describe('Whether the file has changes that take effect with the next start'),
  schema: z
    .record(z.string(), z.unknown())
    .describe('JSON Schema; each setting has title, description, default and x-needs-restart'),
});

export const settingsBody = z.strictObject({ text: z.string().max(4 * 1024 * 1024) });

/** One setting that differs from what runs now. Values are shown without credentials. */
const settingsChange = z.object({
  path: z.string(),
  kind: z.enum(['added', 'removed', 'changed']),
  before: z.string().nullable(),
  after: z.string().nullable(),
  restart: z.boolean().describe('Whether it takes effect only with the next start'),
});

/** A dry run: what would be wrong, and what would change. */
export const settingsCheck = z.object({
  valid: z.boolean(),
  issues: z.array(settingsIssue),
  diff: z
    .array(
      z.object({
        kind: z.enum(['same', 'added', 'removed']),
        line: z.number().int().describe('In the old text of what is the same or removed, else in the new'),
        text: z.string(),
      }),
    )
    .describe('Changed lines with three lines around them'),
  changes: z.array(settingsChange),
  restart: z.boolean().describe('Whether any change needs a restart'),
});

export const settingsSaved = z.object({
  etag: z.string(),
  backup: z.string().nullable().describe('Where the old text is kept'),
  changes: z.array(settingsChange),
  restart: z.boolean(),
});

export type SettingsView = z.output<typeof settingsView>;
export type SettingsCheck = z.output<typeof settingsCheck>;
export type SettingsSaved = z.output<typeof settingsSaved>;
export type SettingsChange = z.output<typeof settingsChange>;
export type SettingsIssue = z.output<typeof settingsIssue>;
