import { h, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import { withQuery } from '../lib/api.ts';
import { compact, number, percent, shortHash, tokens } from '../lib/format.ts';
import { t } from '../lib/i18n.ts';
import { href, type Route } from '../lib/router.ts';
import type { BatchView, BillingSummary, ReceiptView } from '../types.ts';
import {
  Ago,
  Button,
  Card,
  Code,
  Empty,
  Figure,
  Figures,
  Loading,
  Meter,
  Page,
  Problem,
} from '../ui/parts.ts';
import { Table } from '../ui/table.ts';
import { useQuery } from '../ui/use.ts';
import { BatchPage, BatchState } from './batch.ts';
import { ReceiptPage } from './receipt.ts';

/** A receipt with its place in the books, `book:ordinal`. */
export type Placed = ReceiptView & { readonly place: string };

export function ReceiptsPage({ route }: { readonly route: Route }): JSX.Element {
  const [kind, id] = route.rest;
  if (kind === 'receipt' && id !== undefined) return h(ReceiptPage, { id });
  if (kind === 'batch' && id !== undefined) return h(BatchPage, { id });
  return h(Books, {});
}

/** What was metered, what of it the chain has, by whom it was used. */
function Books(): JSX.Element {
  const { data, error } = useQuery<BillingSummary>('/api/v1/billing', 4000);
  return h(
    Page,
    { title: t('nav.receipts'), lead: t('receipts.lead') },
    h(Problem, { error }),
    !data && !error && h(Loading, {}),
    data &&
      h(
        'div',
        { class: 'stack' },
        h('div', { class: 'columns' }, h(Sums, { books: data }), h(Accounts, { books: data })),
        h('div', { class: 'columns' }, h(Batches, {}), h(Receipts, { books: data })),
      ),
  );
}

function Sums({ books }: { books: BillingSummary }): JSX.Element {
  const open = String(BigInt(books.amount) - BigInt(books.settled));
  const share =
    books.amount === '0' ? 1 : Number((BigInt(books.settled) * 10_000n) / BigInt(books.amount)) / 10_000;
  return h(
    Card,
    {
      title: t('receipts.sums'),
      note: books.chainId === null ? t('receipts.no-chain') : t('receipts.chain', { id: books.chainId }),
    },
    h(
      Figures,
      {},
      h(Figure, {
        label: t('receipts.metered'),
        value: tokens(books.amount, books.decimals),
        unit: books.symbol,
      }),
      h(Figure, {
        label: t('receipts.settled'),
        value: tokens(books.settled, books.decimals),
        unit: books.symbol,
      }),
      h(Figure, { label: t('receipts.open'), value: tokens(open, books.decimals), unit: books.symbol }),
      h(Figure, {
        label: t('nav.receipts'),
        value: compact(books.receipts),
        note: t('receipts.pending', { count: number(books.pending) }),
      }),
    ),
    h(
      'div',
      { class: 'labelled' },
      h('span', { class: 'soft' }, t('receipts.share', { share: percent(share, 1) })),
      h(Meter, { share, label: t('receipts.settled') }),
    ),
  );
}

const Accounts = ({ books }: { books: BillingSummary }): JSX.Element => {
  const whole = BigInt(books.amount) || 1n;
  return h(
    Card,
    { title: t('receipts.accounts') },
    books.accounts.length === 0 && h(Empty, {}, t('receipts.none')),
    h(
      'ul',
      { class: 'bars' },
      books.accounts.slice(0, 8).map(({ account, amount, receipts }) =>
        h(
          'li',
          { key: account },
          h('span', null, account),
          h('span', { class: 'number' }, `${tokens(amount, books.decimals)} ${books.symbol}`),
          h(Meter, {
            share: Number((BigInt(amount) * 1000n) / whole) / 1000,
            label: t('receipts.account-share', { account, count: receipts }),
          }),
        ),
      ),
    ),
  );
};

function Batches(): JSX.Element {
  const [before, older] = useState<number | undefined>(undefined);
  const { data, error } = useQuery<BatchView[]>(
    withQuery('/api/v1/batches', { limit: 10, before }),
    before ? undefined : 4000,
  );
  return h(
    Card,
    { title: t('receipts.batches'), flush: true },
    h(Problem, { error }),
    data?.length === 0
      ? h(Empty, { icon: 'receipts' }, t('receipts.no-batches'))
      : h(Table<BatchView>, {
          label: t('receipts.batches'),
          rows: data ?? [],
          keyOf: ({ id }) => id,
          link: ({ id }) => href('receipts', 'batch', id),
          columns: [
            { title: t('col.batch'), show: ({ id }) => `#${id}` },
            { title: t('col.state'), show: ({ state }) => h(BatchState, { state }) },
            { title: t('nav.receipts'), show: ({ receipts }) => number(receipts), kind: 'number' },
            { title: 'AIMX', show: ({ amount }) => tokens(amount), kind: 'number' },
            { title: t('col.when'), show: ({ time }) => h(Ago, { at: time }), kind: 'minor' },
            {
              title: t('col.transaction'),
              show: ({ txHash }) => (txHash ? h(Code, { title: txHash }, shortHash(txHash)) : '–'),
              kind: 'minor',
            },
          ],
        }),
    h(
      'div',
      { class: 'card-foot' },
      before !== undefined && h(Button, { onClick: () => older(undefined) }, t('newest')),
      data?.length === 10 && h(Button, { onClick: () => older(data.at(-1)!.id) }, t('older')),
    ),
  );
}

function Receipts({ books }: { books: BillingSummary }): JSX.Element {
  const [account, choose] = useState('');
  const [before, older] = useState<string | undefined>(undefined);
  const path = withQuery('/api/v1/receipts', { limit: 10, account, before });
  const { data, error } = useQuery<Placed[]>(path, before ? undefined : 4000);
  return h(
    Card,
    {
      title: t('receipts.newest'),
      flush: true,
      note: h(
        'select',
        {
          'aria-label': t('receipts.account'),
          value: account,
          onChange: (event: Event) => {
            older(undefined);
            choose((event.target as HTMLSelectElement).value);
          },
        },
        h('option', { value: '' }, t('receipts.all-accounts')),
        books.accounts.map((one) => h('option', { key: one.account, value: one.account }, one.account)),
      ),
    },
    h(Problem, { error }),
    data?.length === 0
      ? h(Empty, { icon: 'receipts' }, t('receipts.none'))
      : h(ReceiptTable, { rows: data ?? [] }),
    h(
      'div',
      { class: 'card-foot' },
      before !== undefined && h(Button, { onClick: () => older(undefined) }, t('newest')),
      data?.length === 10 && h(Button, { onClick: () => older(data.at(-1)!.place) }, t('older')),
    ),
  );
}

export const ReceiptTable = ({ rows }: { rows: readonly Placed[] }): JSX.Element =>
  h(Table<Placed>, {
    label: t('nav.receipts'),
    rows,
    keyOf: ({ place }) => place,
    link: ({ place }) => href('receipts', 'receipt', place),
    columns: [
      { title: t('col.receipt'), show: ({ place }) => place },
      { title: t('col.when'), show: ({ time }) => h(Ago, { at: time }) },
      { title: t('col.model'), show: ({ model }) => model },
      { title: 'AIMX', show: ({ amount }) => amount, kind: 'number' },
      { title: t('col.state'), show: ({ state }) => h(BatchState, { state }), kind: 'minor' },
    ],
  });
