import { h, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import { getText } from '../lib/api.ts';
import { dateTime, milliseconds, number } from '../lib/format.ts';
import { t, term } from '../lib/i18n.ts';
import { href } from '../lib/router.ts';
import type { Checked, Step } from '../proof/check.ts';
import type { ReceiptDetail } from '../types.ts';
import { Icon } from '../ui/icons.ts';
import { Badge, Button, Card, Code, Facts, Loading, Notice, Page, Problem } from '../ui/parts.ts';
import { useAction, useQuery } from '../ui/use.ts';
import { BatchState } from './batch.ts';

const path = (id: string): string => `/api/v1/receipts/${encodeURIComponent(id)}`;

/** One receipt: what was used and billed, the batch and transaction it went into, and its proof, checked here. */
export function ReceiptPage({ id }: { readonly id: string }): JSX.Element {
  const { data, error } = useQuery<ReceiptDetail>(path(id), 5000);
  return h(
    Page,
    {
      title: t('receipt.title', { id: data?.place ?? id }),
      above: [href('receipts'), t('nav.receipts')],
      lead: data && [h(BatchState, { state: data.state }), ' ', `${data.amount} AIMX · ${data.model}`],
    },
    h(Problem, { error }),
    !data && !error && h(Loading, {}),
    data &&
      h(
        'div',
        { class: 'stack' },
        h(Trail, { receipt: data }),
        h(
          'div',
          { class: 'columns' },
          h(Used, { receipt: data }),
          h(Proof, { id: data.place, receipt: data }),
        ),
      ),
  );
}

/** Receipt → batch → transaction, each with its address. */
function Trail({ receipt }: { receipt: ReceiptDetail }): JSX.Element {
  const { batch, transaction } = receipt;
  return h(
    'ol',
    { class: 'trail' },
    h(
      'li',
      { class: 'done' },
      h('span', { class: 'soft small' }, t('col.receipt')),
      h('b', null, receipt.place),
      h(Code, {}, receipt.hash),
    ),
    h(
      'li',
      { class: batch ? 'done' : undefined },
      h('span', { class: 'soft small' }, t('col.batch')),
      batch
        ? h('a', { href: href('receipts', 'batch', batch.id) }, h('b', null, `#${batch.id}`))
        : h('b', null, t('batch.open')),
      batch && h(Code, {}, batch.root),
    ),
    h(
      'li',
      { class: transaction?.block != null ? 'done' : undefined },
      h('span', { class: 'soft small' }, t('col.transaction')),
      h(
        'b',
        null,
        transaction?.block != null ? t('batch.block', { block: transaction.block }) : t('batch.not-mined'),
      ),
      transaction && h(Code, {}, transaction.hash),
    ),
  );
}

const Used = ({ receipt }: { receipt: ReceiptDetail }): JSX.Element =>
  h(
    Card,
    { title: t('receipt.used') },
    h(Facts, {
      of: [
        [t('col.when'), dateTime(receipt.time)],
        [t('receipts.account'), receipt.account],
        ...Object.entries(receipt.usage).map(
          ([name, value]) => [term('usage', name), number(value)] as const,
        ),
        [t('receipt.compute'), milliseconds(receipt.computeUs / 1000)],
        [t('receipt.amount'), h('b', null, `${receipt.amount} AIMX`)],
        [t('receipt.cumulative'), `${receipt.cumulative} AIMX`],
        [t('receipt.request'), h(Code, {}, receipt.requestId)],
        [t('receipt.tariff'), h(Code, {}, receipt.tariffHash)],
        [t('receipt.channel'), h(Code, {}, receipt.channel)],
      ],
    }),
  );

type Outcome = Checked | { readonly broken: string };

/** The proof is fetched as it would be given away, and checked by this browser alone. */
function Proof({ id, receipt }: { id: string; receipt: ReceiptDetail }): JSX.Element {
  const { busy, error, run } = useAction();
  const [outcome, show] = useState<Outcome | null>(null);
  const check = (): Promise<void> =>
    run(async () => {
      const [{ checkProof }, text] = await Promise.all([
        import('../proof/check.ts'),
        getText(`${path(id)}/proof`),
      ]);
      show(outcomeOf(checkProof, text));
    });
  return h(
    Card,
    { title: t('proof.title') },
    h('p', { class: 'soft' }, t('proof.lead')),
    h(
      'div',
      { class: 'card-actions' },
      h(Button, { kind: 'primary', onClick: () => void check(), busy }, t('proof.check')),
      h(
        'a',
        {
          class: 'button plain',
          href: `${path(id)}/proof`,
          download: `receipt-${id.replace(':', '-')}.json`,
        },
        t('proof.download'),
      ),
    ),
    h(Problem, { error }),
    outcome &&
      ('broken' in outcome
        ? h(Notice, { tone: 'bad' }, h('p', null, outcome.broken))
        : h(Steps, { checked: outcome, receipt })),
  );
}

/** A text that is no proof at all is a finding, not a fault of the page. */
function outcomeOf(checkProof: (text: string) => Checked, text: string): Outcome {
  try {
    return checkProof(text);
  } catch (error) {
    return { broken: error instanceof Error ? error.message : String(error) };
  }
}

const VERDICT_TONES = { valid: 'good', invalid: 'bad', incomplete: 'warn' } as const;
const STEP_TONES = { ok: 'good', wrong: 'bad', missing: 'plain' } as const;

const Steps = ({ checked, receipt }: { checked: Checked; receipt: ReceiptDetail }): JSX.Element =>
  h(
    'div',
    { class: 'proof', role: 'status' },
    h(
      Notice,
      { tone: VERDICT_TONES[checked.verdict] },
      h('p', null, h('b', null, t(`proof.${checked.verdict}`))),
      h('p', null, t(`proof.${checked.verdict}.note`)),
    ),
    h(
      'ol',
      { class: 'steps' },
      checked.steps.map((step) => h(StepLine, { key: step.name, step, siblings: checked.siblings })),
    ),
    checked.receiptHash !== receipt.hash &&
      h(Notice, { tone: 'bad' }, h('p', null, t('proof.other-receipt'))),
    checked.head &&
      h(
        'p',
        { class: 'soft small' },
        t('proof.on-chain', { ledger: checked.ledger.address, chain: checked.ledger.chainId }),
        ' ',
        h(Code, {}, checked.head),
      ),
  );

const StepLine = ({ step, siblings }: { step: Step; siblings: number }): JSX.Element =>
  h(
    'li',
    { class: step.state },
    h(
      'span',
      { class: 'step-mark' },
      h(Icon, { name: step.state === 'wrong' ? 'close' : step.state === 'ok' ? 'check' : 'auto' }),
    ),
    h(
      'span',
      null,
      h(
        'span',
        { class: 'step-name' },
        t(`proof.step.${step.name}`, { siblings }),
        ' ',
        h(Badge, { tone: STEP_TONES[step.state] }, t(`proof.state.${step.state}`)),
      ),
      step.value && h(Code, {}, step.value),
    ),
  );
