import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { type ApiRoute, route } from './route.ts';
import {
  type SettingsCheck,
  type SettingsSaved,
  type SettingsView,
  settingsBody,
  settingsCheck,
  settingsSaved,
  settingsView,
} from './schemas/settings.ts';

/** Reads, checks and saves gateway.yaml; `gateway/settings` provides it. */
export interface SettingsAdmin {
  read(): SettingsView;
  check(text: string): SettingsCheck;
  /**
   * @param seen ETag of the text that was edited
   * @throws GatewayError CONFIG_INVALID, SETTINGS_CHANGED, SETTINGS_WRITE
   */
  save(text: string, seen: string): SettingsSaved;
}

/** As large as a configuration file may be. */
const MAX_BODY_BYTES = 5 * 1024 * 1024;

/** `restart` begins anew with the saved settings; absent where whoever started the process has to do that. */
export function settingsRoutes(settings: SettingsAdmin, restart: (() => void) | undefined): ApiRoute[] {
  return [
    route({
      method: 'GET',
      path: '/api/v1/settings',
      tag: 'settings',
      summary: 'gateway.yaml with its JSON Schema',
      needs: 'change',
      answer: settingsView,
      answerHeaders: { etag: 'Of the text, for If-Match' },
      run({ setHeader }) {
        const view = settings.read();
        setHeader('etag', view.etag);
        return view;
      },
    }),
    route({
      method: 'POST',
      path: '/api/v1/settings/check',
      tag: 'settings',
      summary:
        'What would be wrong with a text, what it would change, and what of that needs a restart; saves nothing',
      needs: 'change',
      body: settingsBody,
      maxBodyBytes: MAX_BODY_BYTES,
      answer: settingsCheck,
      run: ({ body }) => settings.check(body.text),
    }),
    route({
      method: 'PUT',
      path: '/api/v1/settings',
      tag: 'settings',
      summary: 'Save gateway.yaml; needs the header If-Match with the ETag of what was edited',
      needs: 'change',
      body: settingsBody,
      maxBodyBytes: MAX_BODY_BYTES,
      answer: settingsSaved,
      answerHeaders: { etag: 'Of the saved text' },
      errors: ['SETTINGS_MATCH', 'SETTINGS_CHANGED', 'SETTINGS_WRITE', 'CONFIG_INVALID', 'CONFIG_UNREADABLE'],
      run({ body, headers, setHeader }) {
        const seen = headers['if-match'];
        if (seen === undefined)
          throw new GatewayError('SETTINGS_MATCH', 'this needs the header If-Match', {
            expected: 'the ETag of GET /api/v1/settings',
          });
        const done = settings.save(body.text, seen);
        setHeader('etag', done.etag);
        return done;
      },
    }),
    ...(restart
      ? [
          route({
            method: 'POST',
            path: '/api/v1/restart',
            tag: 'settings',
            summary: 'Stop the gateway and start it with the saved settings; devices connect again',
            needs: 'change',
            body: z.strictObject({}),
            answer: z.object({ restarting: z.literal(true) }),
            status: 202,
            run() {
              // The answer goes out first.
              setTimeout(restart, 200).unref();
              return { restarting: true };
            },
          }),
        ]
      : []),
  ];
}
