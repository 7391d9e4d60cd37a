import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readLocalApi } from '../../gateway/security/index.ts';
import type { GatewayProcess } from '../support/gateway-process.ts';
import { CHROMIUM, complaintsOf, openBrowser, seriousViolations, type Violation } from './browser.ts';
import { PAGES } from './pages.ts';
import { openSite, publish, type Site } from './site.ts';

/**
 * One walk of a person with a browser through a new gateway: first run, login, an anomaly as it happens, a model made
 * live, a receipt's proof, a change of the settings. Each step goes on where the one before ended.
 */

const PASSWORD = 'five words of a plant';
const ORDINARY = Array.from({ length: 400 }, (_, i) => 48 + Math.sin(i / 9) + 0.2 * Math.sin(i * 1.7));

let site: Site;
let browser: Browser;
let page: Page;
let gateway: GatewayProcess;
let complaints: string[];
let device: { username: string; password: string };

const seen = (text: string | RegExp, timeout = 15_000): Promise<void> =>
  page.getByText(text).filter({ visible: true }).first().waitFor({ timeout });
const press = (name: string | RegExp): Promise<void> =>
  page.getByRole('button', { name, exact: true }).filter({ visible: true }).click();
const go = async (address: string): Promise<void> => {
  await page.goto(`${site.url}/#/${address}`);
};

describe.skipIf(CHROMIUM === undefined)('a person with a browser', { timeout: 60_000 }, () => {
  beforeAll(async () => {
    [site, browser] = await Promise.all([openSite(), openBrowser()]);
    page = await browser.newPage({ locale: 'en-GB', viewport: { width: 1440, height: 900 } });
    page.setDefaultTimeout(15_000);
    complaints = complaintsOf(page);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.stop();
  });

  it('sets a new gateway up in three screens that say at once what is wrong', async () => {
    await page.goto(site.url);
    await page.getByLabel('Claim code').fill('WRONG-CODE');
    await press('Begin');
    await page.getByRole('alert').waitFor();
    await page.getByLabel('Claim code').fill(site.claimCode);
    await press('Begin');

    await page.getByLabel('Name of the gateway').fill('not a name!');
    await press('Next');
    await seen(/Use letters, digits/);
    await page.getByLabel('Name of the gateway').fill('plant-7');
    await page.getByLabel('Latitude').fill('48.137');
    await page.getByLabel('Longitude').fill('11.575');
    await press('Next');

    await page.getByLabel('Password').fill('short');
    await page.getByLabel('Once more').fill('short');
    await press('Next');
    await page.locator('.wrong').waitFor();
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByLabel('Once more').fill(PASSWORD);
    await press('Next');

    await page.getByLabel('Chain (optional)').fill('http://127.0.0.1:9');
    await page.getByLabel('Chain id').fill(String(site.chain.chainId));
    await page.getByLabel('Ledger').fill(site.chain.addresses.ledger);
    await press('Finish and start');
    await page.locator('.wrong').waitFor();
    await page.getByLabel('Chain (optional)').fill(site.chain.rpcUrl);
    expect(await seriousViolations(page)).toEqual([]);
    await press('Finish and start');
    await seen('The gateway starts');
    gateway = await site.begin();
    await page.getByRole('heading', { name: 'Overview' }).waitFor({ timeout: 20_000 });
    await seen('plant-7');
  });

  it('logs out and in again', async () => {
    await press('Log out');
    await page.getByLabel('Password').fill('not the password');
    await press('Log in');
    await seen('name or password are wrong');
    await page.getByLabel('Password').fill(PASSWORD);
    await press('Log in');
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    // Node-RED starts when somebody asks for its editor; it may do so while the walk goes on.
    await page.request.get(`${site.url}/flows/`);
  });

  it('sees an anomaly as it happens, with the model that says so', async () => {
    const answer = await fetch(`${site.url}/api/v1/devices`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${readLocalApi(`${site.folder}/data`)?.token}`,
      },
      body: JSON.stringify({ name: 'press-1' }),
    });
    const { secret } = (await answer.json()) as { secret: string };
    device = { username: 'press-1', password: secret };
    await publish(gateway.ports.mqtt, device, 'plant/press-1/temperature', ORDINARY);
    await go('streams');
    await page.getByRole('heading', { name: 'temperature' }).click();
    await seen('Nothing unusual in this period');
    await page.locator('canvas').waitFor();
    await publish(gateway.ports.mqtt, device, 'plant/press-1/temperature', [95]);
    const row = page.getByRole('region', { name: 'What models saw' }).getByRole('row').nth(1);
    await row.getByText(/score/).waitFor();
    expect(await row.textContent()).toContain('streaming-anomaly 2');
  });

  it('makes another version of a model live', async () => {
    await go('models/streaming-anomaly');
    await press('Make live');
    await page.getByRole('dialog').getByRole('button', { name: 'Make live' }).click();
    await page.locator('.lifeline li.here', { hasText: 'Live' }).getByText('1', { exact: true }).waitFor();
  });

  it('follows a receipt to its batch and transaction, and checks its proof', async () => {
    await go('receipts');
    await page
      .getByRole('region', { name: 'Batches' })
      .getByRole('link', { name: '#1' })
      .click({ timeout: 15_000 });
    await seen('final');
    await page.getByRole('region', { name: 'Receipts' }).getByRole('link').first().click();
    await seen(/^block \d+/);
    await press('Check the proof');
    await seen('The proof holds.');
    expect(await page.locator('.steps .ok').count()).toBe(7);
  });

  it('changes a setting after it was told what is wrong, at its line', async () => {
    await go('settings');
    const text = page.getByLabel('Text of gateway.yaml');
    const before = await text.inputValue();
    await text.fill(before.replace('every: 60s', 'every: sixty'));
    const line = before.split('\n').findIndex((one) => one.includes('every: 60s')) + 1;
    await page.getByRole('button', { name: `Line ${line}` }).waitFor();
    expect(await page.getByRole('button', { name: 'Save' }).isDisabled()).toBe(true);
    await text.fill(before.replace('every: 60s', 'every: 30s'));
    await seen('aggregates[0].every');
    await press('Save');
    await seen(/^Saved/);
  });

  it('draws a flow, deploys it, and finds the deploy in the list', async () => {
    await go('flows');
    await page.getByRole('link', { name: 'Open the editor' }).click();
    await page.locator('#red-ui-workspace-chart').waitFor({ timeout: 45_000 });
    await page.locator('#red-ui-loading-progress').waitFor({ state: 'hidden' });
    await page.keyboard.press('Control+i');
    const nodes = [{ id: 'a1', type: 'comment', name: 'what this gateway is for', x: 200, y: 80, wires: [] }];
    await page.locator('#red-ui-clipboard-dialog-import-text').fill(JSON.stringify(nodes));
    await page.locator('#red-ui-clipboard-dialog-ok').click();
    await page.locator('#red-ui-workspace-chart').click({ position: { x: 300, y: 200 } });
    await page.locator('#red-ui-header-button-deploy').click();
    await page.getByText('Successfully deployed').waitFor();
    await go('flows');
    await page
      .getByRole('region', { name: 'Deploys' })
      .getByRole('row', { name: /#1.*admin.*runs now/ })
      .waitFor();
  });

  it('finds every page accessible, in light and in dark, and no wider than a phone', async () => {
    const found: string[] = [];
    for (const address of PAGES) {
      await page.emulateMedia({ colorScheme: 'light' });
      await go(address.replaceAll('machine-temperature', 'temperature'));
      await page.locator('h1').waitFor();
      await page.locator('.loading').first().waitFor({ state: 'detached' });
      const tell = (scheme: string, list: readonly Violation[]): void => {
        for (const { id, at } of list) found.push(`${address} ${scheme}: ${id} at ${at.join(' | ')}`);
      };
      tell('light', await seriousViolations(page));
      await page.emulateMedia({ colorScheme: 'dark' });
      tell('dark', await seriousViolations(page, ['color-contrast']));
      await page.setViewportSize({ width: 390, height: 844 });
      const width = await page.evaluate<number>('document.documentElement.scrollWidth');
      if (width > 390) found.push(`${address}: ${width} px wide on a phone of 390`);
      await page.setViewportSize({ width: 1440, height: 900 });
    }
    expect(found).toEqual([]);
  });

  it('finds nothing in the console of the browser', () => {
    expect(complaints).toEqual([]);
  });
});
