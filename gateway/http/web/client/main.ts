import { h, render } from 'preact';
import { ApiError, get, messageOf, type Session, session } from './lib/api.ts';
import { language, loadWords } from './lib/i18n.ts';
import { startLive } from './lib/live.ts';
import { setup } from './lib/setup.ts';
import { applyTheme } from './lib/theme.ts';
import { Shell } from './shell.ts';
import type { SetupView } from './types.ts';

/** Begins: words, colours, who is here, then the page of the address. */

const app = document.getElementById('app')!;
const draw = (): void => render(h(Shell, { key: language.value }), app);

const RETRY_MS = 2000;

async function start(): Promise<void> {
  await loadWords();
  app.textContent = '';
  applyTheme(draw);
  language.watch(() => void loadWords().then(draw));
  session.watch(() => {
    if (session.value) startLive();
  });
  await begin();
}

/** Asks what there is to talk to and who is logged in before anything is shown, and again until it answers. */
async function begin(): Promise<void> {
  try {
    const stands = await firstRun();
    if (stands) setup.set(stands);
    else session.set(await get<Session>('/api/v1/session'));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) session.set(null);
    else setTimeout(() => void begin(), RETRY_MS);
  }
}

/** Where the first run stands; undefined when it is over, or there never is one. */
async function firstRun(): Promise<SetupView | undefined> {
  try {
    const stands = await get<SetupView>('/api/v1/setup');
    return stands.state === 'done' ? undefined : stands;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

start().catch((error: unknown) => {
  app.textContent = messageOf(error);
});
