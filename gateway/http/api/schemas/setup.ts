import { z } from 'zod';
import { settingsIssue } from './settings.ts';

/** Where the first run stands. */
export const setupView = z.object({
  state: z
    .enum(['missing', 'broken', 'starting', 'failed', 'done'])
    .describe(
      'missing: there is no gateway.yaml; broken: it has errors; starting: the gateway starts with it; failed: it could not start; done: the gateway runs',
    ),
  claimed: z.boolean().describe('Whether this caller has given the claim code, or is an admin'),
  people: z.boolean().describe('Whether somebody can log in already'),
  version: z.string(),
  error: z.object({ code: z.string(), message: z.string(), fix: z.string() }).nullable(),
  issues: z.array(settingsIssue).describe('Of a broken file; only for who has claimed'),
  text: z.string().nullable().describe('Of a broken file; only for who has claimed'),
  etag: z.string().nullable(),
  suggested: z.object({ name: z.string() }).nullable(),
  wifi: z.object({ available: z.boolean() }),
});

export const claimBody = z.strictObject({
  code: z
    .string()
    .max(64)
    .describe('On the label, the console, and in setup-code of the configuration folder'),
});
export const claimAnswer = z.object({
  token: z.string().describe('For the header Authorization: Bearer; ends with the setup'),
});

const password = z.string().max(1024);
const wifiBody = z.strictObject({ ssid: z.string().min(1).max(32), password: z.string().max(63).optional() });

/** First screen: what it is called, where it is, and how it gets online. */
export const setupPlace = z.strictObject({
  name: z.string().max(128),
  latitude: z.number().min(-90).max(90).optional(),
  longitude: z.number().min(-180).max(180).optional(),
  wifi: wifiBody.optional(),
});
/** Second screen: who may log in. */
export const setupAdmin = z.strictObject({ name: z.string().max(128), password });
/** Third screen: where data goes, and who is billed. */
export const setupLinks = z.strictObject({
  open: z.boolean().default(false).describe('Listen on all interfaces, not only on this machine'),
  upstream: z
    .strictObject({
      url: z.string().max(2000).describe('mqtt://, mqtts://, http:// or https://'),
      username: z.string().max(256).optional(),
      password: password.optional(),
    })
    .optional(),
  chain: z
    .strictObject({
      rpcUrl: z.string().max(2000),
      chainId: z.number().int().min(1),
      ledger: z.string().max(42).optional(),
    })
    .optional(),
});

export const setupSteps = { place: setupPlace, admin: setupAdmin, links: setupLinks };
export type SetupStep = keyof typeof setupSteps;

/** What is wrong with the entries of one screen. */
export const stepAnswer = z.object({
  ok: z.boolean(),
  problems: z.array(
    z.object({
      field: z.string().describe('`upstream.url`; empty for the whole screen'),
      code: z.string(),
      message: z.string(),
      fix: z.string(),
    }),
  ),
  notes: z.array(z.string()).describe('What was found to be right: `chain 31337 answers`'),
});

export const setupBody = z.strictObject({
  place: setupPlace,
  admin: setupAdmin.optional().describe('Not needed when somebody can log in already'),
  links: setupLinks.prefault({}),
});
export const setupDone = z.object({
  file: z.string(),
  backup: z.string().nullable(),
  url: z.string().describe('Where the gateway will answer'),
});

export const wifiList = z.object({
  networks: z.array(
    z.object({ ssid: z.string(), signal: z.number().int(), secured: z.boolean(), active: z.boolean() }),
  ),
});

export type SetupView = z.output<typeof setupView>;
export type SetupBody = z.output<typeof setupBody>;
export type StepAnswer = z.output<typeof stepAnswer>;
export type SetupDone = z.output<typeof setupDone>;
export type WifiNetwork = z.output<typeof wifiList>['networks'][number];
