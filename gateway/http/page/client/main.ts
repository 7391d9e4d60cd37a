import type { DeviceView, PlotView, ResultView } from '../../views.ts';
import { byId, element } from './dom.ts';
import {
  headline,
  type Status,
  showAlarms,
  showBilling,
  showDevices,
  showFigures,
  showPipelines,
  showStreams,
  showUpstream,
} from './sections.ts';

const POLL_MS = 2000;
const TIMEOUT_MS = 10_000;
const TOKEN = 'aimx-token';

class LoginNeeded extends Error {}

async function get<T>(path: string): Promise<T> {
  const token = sessionStorage.getItem(TOKEN);
  const response = await fetch(path, {
    headers: token ? { authorization: `Bearer ${token}` } : {},
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (response.status === 401) {
    sessionStorage.removeItem(TOKEN);
    throw new LoginNeeded('log in to see more');
  }
  if (!response.ok) throw new Error(`the gateway answered ${response.status}`);
  return (await response.json()) as T;
}

async function refresh(): Promise<void> {
  const [status, devices, plots, results] = await Promise.all([
    get<Status>('/api/v1/status'),
    get<DeviceView[]>('/api/v1/devices?limit=50'),
    get<PlotView[]>('/api/v1/plots'),
    get<ResultView[]>('/api/v1/results?limit=50'),
  ]);
  byId('main').hidden = false;
  byId('login').hidden = true;
  document.title = `${status.gateway} – AIMX edge gateway`;
  byId('name').textContent = status.gateway;
  byId('state').replaceChildren(pill(status.state === 'ready', status.state), ` ${headline(status)}`);
  byId('doors').textContent = status.doors.join(' · ');
  showAlarms(status);
  showFigures(status);
  showStreams(status, plots);
  showPipelines(status, plots, results);
  showUpstream(status);
  showBilling(status.billing);
  showDevices(devices);
}

const pill = (good: boolean, text: string): HTMLElement =>
  element('span', { class: `pill ${good ? 'good' : 'bad'}` }, text);

let timer: number | undefined;

async function poll(): Promise<void> {
  clearTimeout(timer);
  let next = POLL_MS;
  if (document.visibilityState === 'visible') {
    try {
      await refresh();
    } catch (error) {
      if (error instanceof LoginNeeded) {
        byId('main').hidden = true;
        byId('login').hidden = false;
        byId('state').textContent = error.message;
        return;
      }
      const why = error instanceof Error ? error.message : String(error);
      byId('state').replaceChildren(pill(false, 'not reachable'), ` ${why}, trying again`);
      next = 2 * POLL_MS;
    }
  }
  timer = setTimeout(poll, next);
}

async function logIn(form: HTMLFormElement): Promise<void> {
  byId('login-error').textContent = '';
  try {
    const response = await fetch('/api/v1/login', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(Object.fromEntries(new FormData(form))),
    });
    const answer = (await response.json()) as { token?: string; error?: { message: string } };
    if (!response.ok || !answer.token) throw new Error(answer.error?.message ?? `status ${response.status}`);
    sessionStorage.setItem(TOKEN, answer.token);
    form.reset();
    await poll();
  } catch (error) {
    byId('login-error').textContent = error instanceof Error ? error.message : String(error);
  }
}

byId('login').addEventListener('submit', (event) => {
  event.preventDefault();
  void logIn(event.target as HTMLFormElement);
});
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') void poll();
});
void poll();
