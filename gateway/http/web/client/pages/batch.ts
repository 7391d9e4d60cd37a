import { h, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import { withQuery } from '../lib/api.ts';
import { dateTime, number, units } from '../lib/format.ts';
import { t, term } from '../lib/i18n.ts';
import { href } from '../lib/router.ts';
import type { BatchDetail } from '../types.ts';
import { Badge, Button, Card, Code, Facts, Loading, Page, Problem, type Tone } from '../ui/parts.ts';
import { useQuery } from '../ui/use.ts';
import { type Placed, ReceiptTable } from './receipts.ts';

const TONES: Readonly<Record<string, Tone>> = { FINAL: 'good', MINED: 'info', SENT: 'info' };

export const BatchState = ({ state }: { state: string | null }): JSX.Element =>
  state === null
    ? h('span', { class: 'soft' }, t('batch.open'))
    : h(Badge, { tone: TONES[state] ?? 'plain' }, term('batch.state', state));

const ROWS = 25;

/** One batch: what the device signed, the transaction that posted it, the receipts in it. */
export function BatchPage({ id }: { readonly id: string }): JSX.Element {
  const { data, error } = useQuery<BatchDetail>(`/api/v1/batches/${encodeURIComponent(id)}`, 5000);
  const [before, older] = useState<string | undefined>(undefined);
  const receipts = useQuery<Placed[]>(withQuery('/api/v1/receipts', { batch: id, limit: ROWS, before }));
  return h(
    Page,
    {
      title: t('batch.title', { id }),
      above: [href('receipts'), t('nav.receipts')],
      lead: data && [
        h(BatchState, { state: data.state }),
        ' ',
        t('batch.lead', { count: number(data.receipts), amount: units(data.amount) }),
      ],
    },
    h(Problem, { error }),
    !data && !error && h(Loading, {}),
    data &&
      h(
        'div',
        { class: 'stack' },
        h(Card, { title: t('batch.signed') }, h(Signed, { batch: data })),
        h(Transactions, { batch: data }),
        h(
          Card,
          {
            title: t('nav.receipts'),
            note: t('batch.range', { from: data.fromSeq, to: data.toSeq }),
            flush: true,
          },
          h(Problem, { error: receipts.error }),
          h(ReceiptTable, { rows: receipts.data ?? [] }),
          h(
            'div',
            { class: 'card-foot' },
            before !== undefined && h(Button, { onClick: () => older(undefined) }, t('newest')),
            receipts.data?.length === ROWS &&
              h(Button, { onClick: () => older(receipts.data!.at(-1)!.place) }, t('older')),
          ),
        ),
      ),
  );
}

const Signed = ({ batch }: { batch: BatchDetail }): JSX.Element =>
  h(Facts, {
    of: [
      [t('proof.root'), h(Code, {}, batch.root)],
      [t('proof.head'), h(Code, {}, batch.head)],
      [t('batch.before'), h(Code, {}, batch.prevHead)],
      [t('proof.device'), h(Code, {}, batch.device)],
      [
        t('proof.ledger'),
        h('span', null, h(Code, {}, batch.ledger), ' ', t('receipts.chain', { id: batch.chainId })),
      ],
    ],
  });

const Transactions = ({ batch }: { batch: BatchDetail }): JSX.Element | null =>
  batch.transactions.length === 0
    ? null
    : h(
        Card,
        { title: t('batch.transactions') },
        batch.transactions.map((tx) =>
          h(
            'div',
            { key: tx.hash, class: 'transaction' },
            h(Code, {}, tx.hash),
            h(
              'p',
              { class: 'soft small' },
              [
                tx.block === null ? t('batch.not-mined') : t('batch.block', { block: tx.block }),
                t('batch.nonce', { nonce: tx.nonce }),
                tx.gasUsed === null ? '' : t('batch.gas', { gas: number(tx.gasUsed) }),
                tx.sentAt === null ? '' : dateTime(tx.sentAt),
              ]
                .filter(Boolean)
                .join(' · '),
            ),
          ),
        ),
      );
