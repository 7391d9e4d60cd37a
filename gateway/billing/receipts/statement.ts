import { barChart, columnChart, escapeHtml } from '../../html/charts.ts';
import { htmlPage } from '../../html/page.ts';
import { aimx } from '../formats/amount.ts';
import type { ExportedReceipt, Period } from './export.ts';

/** What a period cost, added up while receipts go by: it holds totals and no receipts. */
export class Statement {
  readonly #period: Period;
  readonly #days = new Map<string, Sum>();
  readonly #accounts = new Map<string, Sum>();
  readonly #models = new Map<string, Sum>();
  readonly #states = new Map<string, number>();
  readonly #transactions = new Map<string, Sum>();
  readonly #devices = new Set<string>();
  readonly #all: Sum = { receipts: 0, inferences: 0, units: 0n };

  constructor(period: Period) {
    this.#period = period;
  }

  add(receipt: ExportedReceipt): void {
    const { time, account, model, state, transaction, device } = receipt;
    const units = unitsOf(receipt.amount);
    const inferences = receipt.quantities.inference ?? 0;
    for (const [sums, key] of [
      [this.#days, time.slice(0, 10)],
      [this.#accounts, account],
      [this.#models, model],
      [this.#transactions, transaction ?? 'not posted yet'],
    ] as const) {
      let sum = sums.get(key);
      if (!sum) {
        // Names come from outside: a statement of endless names must stay one page.
        const place = sums.size < MOST_ROWS ? key : 'others';
        sum = sums.get(place) ?? { receipts: 0, inferences: 0, units: 0n };
        sums.set(place, sum);
      }
      addTo(sum, inferences, units);
    }
    addTo(this.#all, inferences, units);
    this.#states.set(state, (this.#states.get(state) ?? 0) + 1);
    if (this.#devices.size < MOST_ROWS) this.#devices.add(device);
  }

  /** Everything, in 10⁻¹⁸ AIMX. */
  get total(): bigint {
    return this.#all.units;
  }

  /** One HTML page that needs nothing else and prints well. */
  page(gateway: string): string {
    const from = day(this.#period.from);
    const to = day(this.#period.to - 1);
    const all = this.#all;
    const head = `<h1>Statement of ${escapeHtml(gateway)}</h1>
<dl><dt>Period</dt><dd>${from} to ${to}, UTC</dd>
<dt>Total</dt><dd><b>${aimx(String(all.units))} AIMX</b></dd>
<dt>Receipts</dt><dd>${count(all.receipts)}, for ${count(all.inferences)} inferences</dd>
<dt>On the chain</dt><dd>${[...this.#states].map(([state, n]) => `${count(n)} ${STATES[state] ?? escapeHtml(state)}`).join(', ') || 'nothing'}</dd>
<dt>Device</dt><dd>${[...this.#devices].map(escapeHtml).join(', ') || '–'}</dd></dl>`;
    return htmlPage(
      `Statement of ${gateway}, ${from} to ${to}`,
      [
        head,
        section(
          'By day',
          figure('AIMX by day', columnChart('AIMX by day', this.#columns())),
          table('Day', this.#days, all),
        ),
        section('By account', bars('AIMX by account', this.#accounts), table('Account', this.#accounts, all)),
        section('By model', bars('AIMX by model', this.#models), table('Model', this.#models, all)),
        section('Transactions', '', table('Transaction', this.#transactions, all)),
        `<footer><p>Every receipt behind this page can be checked without the gateway: <code>receipts export --format proofs</code>, then
<code>receipts verify FILE</code>.</p></footer>`,
      ].join('\n'),
    );
  }

  #columns() {
    const days: { label: string; value: number; text: string }[] = [];
    const last = Math.min(this.#period.to, this.#period.from + 62 * DAY);
    for (let time = this.#period.from; time < last; time += DAY) {
      const date = day(time);
      const units = this.#days.get(date)?.units ?? 0n;
      const number = Number(date.slice(8));
      const label = number === 1 || number % 5 === 0 ? String(number) : '';
      days.push({ label, value: approximate(units), text: `${date}: ${aimx(String(units))} AIMX` });
    }
    return days;
  }
}

interface Sum {
  receipts: number;
  inferences: number;
  units: bigint;
}

const DAY = 86_400_000;
const MOST_ROWS = 200;

const STATES: Readonly<Record<string, string>> = {
  FINAL: 'final',
  MINED: 'in a block that is not final yet',
  SENT: 'on their way',
  SIGNED: 'on their way',
  SEALED: 'in a batch that is not sent yet',
  OPEN: 'in no batch yet',
};

function addTo(sum: Sum, inferences: number, units: bigint): void {
  sum.receipts++;
  sum.inferences += inferences;
  sum.units += units;
}

const day = (time: number): string => new Date(time).toISOString().slice(0, 10);
const count = (value: number): string => value.toLocaleString('en-US');

/** Units of a decimal number of AIMX. */
function unitsOf(amount: string): bigint {
  const [whole, fraction = ''] = amount.split('.');
  return BigInt(whole! + fraction.padEnd(18, '0'));
}

/** AIMX as a number, for drawing only. */
const approximate = (units: bigint): number => Number(units) / 1e18;

const bySize = (sums: ReadonlyMap<string, Sum>): [string, Sum][] =>
  [...sums].sort(([, a], [, b]) => (a.units < b.units ? 1 : a.units > b.units ? -1 : 0));

const figure = (caption: string, chart: string): string =>
  chart && `<figure>${chart}<figcaption>${caption}</figcaption></figure>`;

const bars = (title: string, sums: ReadonlyMap<string, Sum>): string =>
  figure(
    title,
    barChart(
      title,
      bySize(sums)
        .slice(0, 12)
        .map(([label, { units }]) => ({
          label,
          value: approximate(units),
          text: `${Number(approximate(units).toPrecision(4))}`,
        })),
    ),
  );

function table(title: string, sums: ReadonlyMap<string, Sum>, all: Sum): string {
  const rows = title === 'Day' ? [...sums].sort() : bySize(sums);
  const amounts = aligned([...rows.map(([, { units }]) => units), all.units]);
  const cells = ([name, { receipts, inferences }]: [string, Sum], index: number): string =>
    `<tr><td>${escapeHtml(name)}</td><td>${count(receipts)}</td><td>${count(inferences)}</td><td>${amounts[index]}</td></tr>`;
  const head = `<thead><tr><th>${title}</th><th>Receipts</th><th>Inferences</th><th>AIMX</th></tr></thead>`;
  const foot = `<tfoot>${cells(['Total', all], rows.length)}</tfoot>`;
  return `<div class="wide"><table>${head}<tbody>${rows.map(cells).join('')}</tbody>${foot}</table></div>`;
}

/** Exact amounts with as many decimals each, so that their points stand below each other. */
function aligned(units: readonly bigint[]): string[] {
  const texts = units.map((amount) => aimx(String(amount)).split('.'));
  const decimals = Math.max(...texts.map(([, fraction = '']) => fraction.length));
  return texts.map(([whole, fraction = '']) =>
    decimals === 0 ? whole! : `${whole}.${fraction.padEnd(decimals, '0')}`,
  );
}

const section = (title: string, chart: string, rows: string): string =>
  `<section><h2>${title}</h2>${chart}${rows}</section>`;
