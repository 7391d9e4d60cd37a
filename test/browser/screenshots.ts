/**
 * Pictures of every page, on a phone and a desktop, light and dark:
 * `node test/browser/screenshots.ts FOLDER [--url URL --password PASSWORD] [--wait 45]`.
 * Without `--url` it runs the demo and waits until there is something to see.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { runSetup } from '../../gateway/setup/index.ts';
import { systemClock } from '../../gateway/system/clock.ts';
import { freePorts } from '../support/gateway-process.ts';
import { recordingLog } from '../support/log.ts';
import { openBrowser } from './browser.ts';
import { PAGES } from './pages.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { url: { type: 'string' }, password: { type: 'string' }, wait: { type: 'string', default: '45' } },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('name a folder for the pictures');
const out = resolve(folder);
mkdirSync(out, { recursive: true });

const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } };
const SCHEMES = ['light', 'dark'] as const;
/** Live pages never come to rest: as long as an eye needs. */
const SETTLE_MS = 900;
const temporary = mkdtempSync(join(tmpdir(), 'aimx-shots-'));

interface Running {
  readonly url: string;
  readonly password: string;
  readonly process?: ChildProcess;
}

/** The demo, as soon as it has told where it is and how to log in. */
async function demo(): Promise<Running> {
  const child = spawn(
    process.execPath,
    ['gateway/main.ts', 'demo', '--fresh', '--data', join(temporary, 'demo')],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let text = '';
  const told = await new Promise<Running>((done, failed) => {
    child.once('exit', () => failed(new Error(`the demo ended: ${text}`)));
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const url = /(http:\/\/127\.0\.0\.1:\d+)\/\s/.exec(text)?.[1];
      const password = /login\s+admin\s+(\S+)/.exec(text)?.[1];
      if (url && password && text.includes('ready after')) done({ url, password, process: child });
    });
  });
  console.log(`the demo runs; waiting ${values.wait} s for something to see`);
  await new Promise((later) => setTimeout(later, Number(values.wait) * 1000));
  return told;
}

async function shoot(page: Page, name: string, variant: string): Promise<void> {
  await page.waitForTimeout(SETTLE_MS);
  await page.screenshot({ path: join(out, `${name}.${variant}.png`) });
}

async function loggedIn(context: BrowserContext, { url, password }: Running): Promise<void> {
  const answer = await context.request.post(`${url}/api/v1/session`, {
    data: { name: 'admin', password },
    headers: { origin: url },
  });
  if (!answer.ok()) throw new Error(`login: ${answer.status()}`);
}

async function pages(page: Page, url: string, variant: string): Promise<void> {
  for (const address of PAGES) {
    await page.goto(`${url}/#/${address}`);
    await page.locator('h1').waitFor();
    await shoot(page, address.replaceAll(/\W+/g, '-'), variant);
  }
  await page.goto(`${url}/#/receipts/receipt/1:1`);
  await page.getByRole('button', { name: 'Check the proof' }).click();
  await page.locator('.steps').waitFor();
  await page.locator('.proof').scrollIntoViewIfNeeded();
  await shoot(page, 'receipts-proof', variant);
  await page.goto(`${url}/#/settings`);
  const text = page.locator('textarea');
  const before = await text.inputValue();
  await text.fill(
    before.replace('every: 10s', 'every: 5s').replace('unit: Cel, min: -50', 'unit: Cel, min: cold'),
  );
  await page.locator('.issues').waitFor();
  await shoot(page, 'settings-wrong', variant);
  await text.fill(before.replace('every: 10s', 'every: 5s'));
  await page.locator('.changes').waitFor();
  await shoot(page, 'settings-changed', variant);
  await text.fill(before);
  await page.goto(`${url}/#/models/streaming-anomaly`);
  await page.getByRole('button', { name: 'Make live' }).first().click();
  await shoot(page, 'models-promote', variant);
}

/** The screens of a first run. */
async function firstRun(browser: Browser, variant: string, look: object): Promise<void> {
  const over = new AbortController();
  const { http } = await freePorts();
  const { promise, resolve: ready } = Promise.withResolvers<{ url: string; code: string }>();
  const file = join(temporary, variant, 'gateway.yaml');
  mkdirSync(join(temporary, variant));
  const parts = {
    file,
    port: http,
    clock: systemClock(),
    log: recordingLog(),
    models: () => undefined,
    ready,
  };
  const running = runSetup(parts, over.signal);
  const { url, code } = await promise;
  const page = await browser.newPage(look);
  await page.goto(url);
  await page.getByLabel('Claim code').fill(code);
  await shoot(page, 'setup-claim', variant);
  await page.getByRole('button', { name: 'Begin' }).click();
  await page.getByLabel('Name of the gateway').fill('plant 7');
  await page.getByRole('button', { name: 'Next' }).click();
  await page.locator('.wrong').waitFor();
  await shoot(page, 'setup-place', variant);
  await page.getByLabel('Name of the gateway').fill('plant-7');
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByLabel('Password').fill('a few words here');
  await page.getByLabel('Once more').fill('a few words here');
  await shoot(page, 'setup-admin', variant);
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByLabel('Upstream').fill('mqtts://broker.example:8883');
  await shoot(page, 'setup-links', variant);
  await page.close();
  over.abort();
  await running;
}

const running: Running = values.url ? { url: values.url, password: values.password ?? '' } : await demo();
const browser = await openBrowser();
try {
  for (const [size, viewport] of Object.entries(SIZES)) {
    for (const colorScheme of SCHEMES) {
      const look = { viewport, colorScheme, locale: 'en-GB', hasTouch: size === 'phone' };
      const variant = `${size}.${colorScheme}`;
      const context = await browser.newContext(look);
      await loggedIn(context, running);
      await pages(await context.newPage(), running.url, variant);
      await context.close();
      await firstRun(browser, variant, look);
      console.log(`${variant} done`);
    }
  }
} finally {
  await browser.close();
  const { process: child } = running;
  if (child) {
    child.kill('SIGTERM');
    await new Promise((gone) => child.once('exit', gone));
  }
  rmSync(temporary, { recursive: true, force: true });
}
