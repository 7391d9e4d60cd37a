import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';

/** Debian's browser. */
const CHROMIUM = '/usr/bin/chromium';

export const hasBrowser = (): boolean => existsSync(CHROMIUM);

/** What is looked at in the dialog of one node. */
export interface Looked {
  readonly type: string;
  /** Choices that the list of its first field offered. */
  readonly choices: readonly string[];
  /** What is not as it should be. */
  readonly wrong: readonly string[];
}

/** Fields with a list from the gateway, and one choice that must be in it. */
const LISTS: Readonly<Record<string, { readonly field: string; readonly choice: string }>> = {
  'aimx-stream-in': { field: 'stream', choice: 'temps' },
  'aimx-reading-out': { field: 'stream', choice: 'room-climate' },
  'aimx-infer': { field: 'model', choice: 'room-comfort' },
  'aimx-result-in': { field: 'pipeline', choice: 'room-comfort' },
  'aimx-aggregate-in': { field: 'aggregate', choice: 'temps-1s' },
  'aimx-device': { field: 'device', choice: 'press-1' },
};

/** Ids of visible fields that no label names. Runs in the browser. */
const UNLABELLED = `[...document.querySelectorAll('.red-ui-tray-body .form-row input[id], .red-ui-tray-body .form-row select[id]')]
  .filter((field) => field.offsetParent !== null && !document.querySelector('label[for="' + field.id + '"]'))
  .map((field) => field.id)`;

/**
 * Opens the editor in a browser and the dialog of each of the nodes in turn: words in the chosen language, lists from
 * the gateway, help, nothing on the console.
 * @param nodes ids by type, in the flow that is deployed
 * @param shots folder for pictures; absent: none
 */
export async function lookAtDialogs(
  url: string,
  nodes: Readonly<Record<string, string>>,
  language: string,
  shots: string | undefined,
): Promise<Looked[]> {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    await context.addInitScript((chosen) => {
      localStorage.setItem('editor-language', chosen);
    }, language);
    const page = await context.newPage();
    const said: string[] = [];
    page.on('pageerror', (error) => said.push(`page: ${error.message}`));
    page.on('console', (message) => {
      if (message.type() === 'error') said.push(`console: ${message.text()}`);
    });
    await page.goto(url);
    await page.locator('.red-ui-palette-node[data-palette-type="aimx-infer"]').waitFor({ timeout: 60_000 });
    await page.waitForFunction('!document.querySelector("#red-ui-loading-progress:not([style*=none])")');
    const looked: Looked[] = [];
    for (const [type, id] of Object.entries(nodes)) {
      said.length = 0;
      const one = await lookAt(page, type, id, shots && join(shots, `${type}-${language}.png`));
      looked.push({ ...one, wrong: [...one.wrong, ...said] });
    }
    return looked;
  } finally {
    await browser.close();
  }
}

async function lookAt(page: Page, type: string, id: string, shot: string | undefined): Promise<Looked> {
  const isConfig = type === 'aimx-gateway';
  await page.evaluate(
    isConfig ? `RED.editor.editConfig('', '${type}', '${id}')` : `RED.editor.edit(RED.nodes.node('${id}'))`,
  );
  const dialog = page.locator('.red-ui-editor .red-ui-tray-body-wrapper, .red-ui-tray-body').last();
  await dialog.locator('.form-row').first().waitFor();
  const wrong: string[] = [];
  const words = await dialog.textContent();
  const raw = /\b(?:common|aimx-[a-z-]+)\.[a-z.-]+\b/.exec(words ?? '');
  if (raw) wrong.push(`a key is shown: ${raw[0]}`);
  const unlabelled = (await page.evaluate(UNLABELLED)) as string[];
  if (unlabelled.length > 0) wrong.push(`fields without a label: ${unlabelled.join(', ')}`);
  const list = LISTS[type];
  const choices = list ? await choicesOf(page, list.field) : [];
  if (list && !choices.some((choice) => choice.startsWith(list.choice)))
    wrong.push(`${list.choice} is not among the choices (${choices.join(', ')})`);
  if (type === 'aimx-infer') {
    await page.locator('#node-input-model').fill('room-comfort');
    await page.locator('#node-input-model').dispatchEvent('change');
    const shapes = page.locator('.aimx-model');
    await shapes.waitFor({ timeout: 10_000 });
    if (!((await shapes.textContent()) ?? '').includes('FP32 [∗, 8, 5]'))
      wrong.push('the shape of the model is not shown');
  }
  if (shot) {
    mkdirSync(join(shot, '..'), { recursive: true });
    await page.screenshot({ path: shot });
  }
  await page.evaluate('RED.tray.close()');
  await page.waitForFunction('document.querySelectorAll(".red-ui-tray").length === 0');
  const help = await page.evaluate(`String(RED.nodes.getNodeHelp('${type}') || '')`);
  if (!/<h3>/.test(String(help))) wrong.push('there is no help');
  return { type, choices, wrong };
}

/** The choices of a field once it has the focus. */
async function choicesOf(page: Page, field: string): Promise<string[]> {
  await page.locator(`#node-input-${field}`).focus();
  const options = page.locator(`#aimx-list-${field} option`);
  await options
    .first()
    .waitFor({ state: 'attached', timeout: 10_000 })
    .catch(() => undefined);
  return await options.evaluateAll((list) => list.map((option) => String(option.getAttribute('value'))));
}
