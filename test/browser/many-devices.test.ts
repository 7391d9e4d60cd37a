import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../gateway/config/index.ts';
import { createHttpServer, type DeviceRow, type HttpServer, type Views } from '../../gateway/http/index.ts';
import { createAccess } from '../../gateway/security/index.ts';
import { manualClock } from '../support/clock.ts';
import { recordingLog } from '../support/log.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { someViews } from '../support/views.ts';
import { CHROMIUM, openBrowser } from './browser.ts';

const COUNT = 10_000;
const name = (i: number): string => `sensor-${String(i).padStart(5, '0')}`;
const ROWS: readonly DeviceRow[] = Array.from({ length: COUNT }, (_, i) => ({
  name: name(i),
  role: 'device',
  streams: [{ stream: 'temperature', readings: i, lastTime: 1, lastArrival: 1 }],
  readings: i,
  lastSeen: Date.UTC(2026, 5, 1) - i * 1000,
  signal: { field: 'rssi', value: -40 - (i % 60), unit: 'dBm', time: 1 },
}));

/** Pages by name, as the gateway answers them. */
const devices: Views['devices'] = async ({ limit, search = '', after = '' }) => {
  const found = ROWS.filter((row) => row.name.includes(search));
  const rest = found.filter((row) => row.name > after);
  const entries = rest.slice(0, limit);
  return { entries, total: found.length, next: rest.length > limit ? entries.at(-1)!.name : null };
};

async function serve(): Promise<HttpServer> {
  const { config } = parseConfig(
    'auth: { anonymous: true }\nlisten: { http: { port: 0 } }\n',
    '/x/gateway.yaml',
  );
  const [clock, log] = [manualClock(), recordingLog()];
  const access = createAccess({ config, dataDir: temporaryFolder(), clock, log });
  const server = createHttpServer({ config, views: someViews({ devices }), access, clock, log });
  await server.start(new AbortController().signal);
  return server;
}

describe.skipIf(CHROMIUM === undefined)('ten thousand devices', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  it('are a small page that scrolls to its end and finds any of them', async () => {
    const server = await serve();
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    await page.goto(`${server.addresses[0]}/#/devices`);
    await page.getByText('10,000 devices').waitFor();
    const table = page.getByRole('table');
    expect(await table.getAttribute('aria-rowcount')).toBe(String(COUNT + 1));
    const nodes = (): Promise<number> => page.locator('*').count();
    expect(await nodes()).toBeLessThan(1000);

    await table.evaluate((box) => {
      const element = box as unknown as { scrollTop: number; scrollHeight: number };
      element.scrollTop = element.scrollHeight;
    });
    await page.getByRole('link', { name: name(COUNT - 1) }).waitFor();
    expect(await nodes()).toBeLessThan(1000);

    await table.focus();
    await page.keyboard.press('Home');
    await page.getByRole('link', { name: name(0) }).waitFor();

    await page.getByLabel('Find a device').fill('sensor-0777');
    await page.getByText('10 devices').waitFor();
    await page.getByRole('link', { name: name(7779) }).waitFor();
    await server.stop();
  });
});
