import { existsSync } from 'node:fs';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';

/** Debian's Chromium, or the one named in the environment; undefined when there is none. */
export const CHROMIUM = [process.env.AIMX_CHROMIUM, '/usr/bin/chromium'].find(
  (file): file is string => file !== undefined && existsSync(file),
);

if (CHROMIUM === undefined) console.log('no chromium here (apt install chromium): browser tests are skipped');

/** Works in containers too, where Chromium's own sandbox has no rights. */
export const openBrowser = (): Promise<Browser> =>
  chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox', '--disable-dev-shm-usage'] });

/** What a page says in its console that is wrong: errors and what its policy refused. Failed requests are answers. */
export function complaintsOf(page: Page): string[] {
  const found: string[] = [];
  page.on('pageerror', (error) => found.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      found.push(message.text());
  });
  return found;
}

export interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly help: string;
  readonly at: readonly string[];
}

/** What axe-core finds on a page that is serious or critical. @param only names of rules; default: all */
export async function seriousViolations(page: Page, only?: readonly string[]): Promise<Violation[]> {
  // As an extension would: the policy of the page forbids foreign scripts, and shall.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe.source);
  return await page.evaluate(async (rules) => {
    interface Result {
      readonly id: string;
      readonly impact: string;
      readonly help: string;
      readonly nodes: readonly { readonly target: readonly unknown[]; readonly failureSummary?: string }[];
    }
    const { axe: there } = globalThis as unknown as {
      axe: { run(options: object): Promise<{ violations: Result[] }> };
    };
    const { violations } = await there.run({
      resultTypes: ['violations'],
      ...(rules ? { runOnly: { type: 'rule', values: rules } } : {}),
    });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, impact, help, nodes }) => ({
        id,
        impact,
        help,
        at: nodes
          .slice(0, 5)
          .map(({ target, failureSummary }) => `${target.join(' ')}: ${failureSummary ?? ''}`),
      }));
  }, only);
}
