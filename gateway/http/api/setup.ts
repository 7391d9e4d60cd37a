import type { IncomingHttpHeaders } from 'node:http';
import type { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { type ApiRoute, route } from './route.ts';
import { type SettingsCheck, settingsBody, settingsCheck } from './schemas/settings.ts';
import {
  claimAnswer,
  claimBody,
  type SetupBody,
  type SetupDone,
  type SetupStep,
  type SetupView,
  type StepAnswer,
  setupBody,
  setupDone,
  setupSteps,
  setupView,
  stepAnswer,
  type WifiNetwork,
  wifiList,
} from './schemas/setup.ts';

/** The first run, and mending a broken configuration; `gateway/setup` provides it. */
export interface SetupAdmin {
  /** @param known whether the caller has given the claim code or is an admin */
  view(known: boolean): SetupView;
  /** Whether these headers carry the token of a claim, or the login of an admin. */
  knows(headers: IncomingHttpHeaders, peer: string): Promise<boolean>;
  /** The token for a claim code. @throws GatewayError UNAUTHORIZED, THROTTLED */
  claim(code: string, peer: string): string;
  networks(): Promise<readonly WifiNetwork[]>;
  /** What is wrong with the entries of one screen; asks others where only they can tell. */
  check(step: SetupStep, entries: unknown): Promise<StepAnswer>;
  /** Writes the configuration and begins with it. @throws GatewayError SETUP_ENTRIES and what writing may */
  finish(body: SetupBody): Promise<SetupDone>;
  checkText(text: string): SettingsCheck;
  /** Replaces a broken configuration. @throws GatewayError CONFIG_INVALID, SETTINGS_CHANGED, SETTINGS_WRITE */
  saveText(text: string, seen: string): SetupDone;
}

const MAX_BODY_BYTES = 5 * 1024 * 1024;

export function setupRoutes(setup: SetupAdmin): ApiRoute[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/setup',
      tag: 'setup',
      summary: 'Where the first run stands, or what is wrong with the configuration',
      needs: 'open',
      answer: setupView,
      run: async ({ headers, peer }) => setup.view(await setup.knows(headers, peer)),
    }),
    route({
      method: 'POST',
      path: '/api/v1/setup/claim',
      tag: 'setup',
      summary: 'Give the claim code; its token stands for an admin until the setup ends',
      needs: 'open',
      body: claimBody,
      answer: claimAnswer,
      errors: ['UNAUTHORIZED', 'THROTTLED'],
      run: ({ body, peer }) => ({ token: setup.claim(body.code, peer) }),
    }),
    route({
      method: 'GET',
      path: '/api/v1/setup/wifi',
      tag: 'setup',
      summary: 'Wireless networks in reach, where the board has NetworkManager',
      needs: 'change',
      answer: wifiList,
      run: async () => ({ networks: await setup.networks() }),
    }),
    ...Object.entries(setupSteps).map(([step, body]) =>
      route({
        method: 'POST',
        path: `/api/v1/setup/check/${step}`,
        tag: 'setup',
        summary: `What is wrong with the entries of the screen "${step}"`,
        needs: 'change',
        body: body as z.ZodObject,
        answer: stepAnswer,
        run: ({ body: entries }) => setup.check(step as SetupStep, entries),
      }),
    ),
    route({
      method: 'POST',
      path: '/api/v1/setup',
      tag: 'setup',
      summary: 'Write the configuration, add the first admin, and start',
      needs: 'change',
      body: setupBody,
      answer: setupDone,
      status: 201,
      errors: ['SETUP_ENTRIES', 'SETTINGS_WRITE', 'PASSWORD_WEAK', 'IDENTITY_NAME'],
      run: ({ body }) => setup.finish(body),
    }),
    route({
      method: 'POST',
      path: '/api/v1/setup/settings/check',
      tag: 'setup',
      summary: 'What is wrong with the text of a configuration; saves nothing',
      needs: 'change',
      body: settingsBody,
      maxBodyBytes: MAX_BODY_BYTES,
      answer: settingsCheck,
      run: ({ body }) => setup.checkText(body.text),
    }),
    route({
      method: 'PUT',
      path: '/api/v1/setup/settings',
      tag: 'setup',
      summary: 'Replace a broken configuration and start; needs If-Match with its ETag',
      needs: 'change',
      body: settingsBody,
      maxBodyBytes: MAX_BODY_BYTES,
      answer: setupDone,
      errors: ['SETTINGS_MATCH', 'SETTINGS_CHANGED', 'SETTINGS_WRITE', 'CONFIG_INVALID'],
      run({ body, headers }) {
        const seen = headers['if-match'];
        if (seen === undefined)
          throw new GatewayError('SETTINGS_MATCH', 'this needs the header If-Match', {
            expected: 'the etag of GET /api/v1/setup',
          });
        return setup.saveText(body.text, seen);
      },
    }),
  ];
}

/** `GET /api/v1/setup` of a gateway that runs: pages ask before they know what they talk to. */
export const setupIsDone = (version: string): ApiRoute =>
  route({
    method: 'GET',
    path: '/api/v1/setup',
    tag: 'setup',
    summary: 'Where the first run stands',
    needs: 'open',
    answer: setupView,
    run: (): z.output<typeof setupView> => ({
      state: 'done',
      claimed: false,
      people: true,
      version,
      error: null,
      issues: [],
      text: null,
      etag: null,
      suggested: null,
      wifi: { available: false },
    }),
  });
