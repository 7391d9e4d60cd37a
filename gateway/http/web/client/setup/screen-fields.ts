import { h, type JSX } from 'preact';
import { useState } from 'preact/hooks';
import { get } from '../lib/api.ts';
import { t } from '../lib/i18n.ts';
import { Button, Problem } from '../ui/parts.ts';
import { useAction } from '../ui/use.ts';
import type { Entries } from './entries.ts';
import { Field } from './field.ts';

export interface ScreenProps {
  readonly entries: Entries;
  readonly change: (values: Partial<Entries>) => void;
  readonly problemOf: (field: string) => { readonly message: string; readonly fix: string } | undefined;
  /** Whether the board has a wireless network. */
  readonly wifi: boolean;
}

export const PlaceScreen = ({ entries, change, problemOf, wifi }: ScreenProps): JSX.Element =>
  h(
    'div',
    { class: 'stack' },
    h(Field, {
      label: t('setup.name'),
      hint: t('setup.name.hint'),
      value: entries.name,
      onInput: (name) => change({ name }),
      problem: problemOf('name'),
      required: true,
    }),
    h(
      'div',
      { class: 'pair' },
      h(Field, {
        label: t('setup.latitude'),
        value: entries.latitude,
        onInput: (latitude) => change({ latitude }),
        problem: problemOf('latitude'),
        placeholder: '48.137',
      }),
      h(Field, {
        label: t('setup.longitude'),
        value: entries.longitude,
        onInput: (longitude) => change({ longitude }),
        problem: problemOf('longitude'),
        placeholder: '11.575',
      }),
    ),
    wifi && h(Wifi, { entries, change, problemOf, wifi }),
  );

interface Network {
  readonly ssid: string;
  readonly signal: number;
  readonly secured: boolean;
}

/** Networks in reach; the cable stays as it is when none is chosen. */
function Wifi({ entries, change, problemOf }: ScreenProps): JSX.Element {
  const { busy, error, run } = useAction();
  const [networks, found] = useState<readonly Network[]>([]);
  const look = (): Promise<void> =>
    run(async () => found((await get<{ networks: Network[] }>('/api/v1/setup/wifi')).networks));
  const wrong = problemOf('wifi') ?? problemOf('wifi.ssid');
  return h(
    'fieldset',
    null,
    h('legend', null, t('setup.wifi')),
    networks.length === 0
      ? h(Button, { onClick: () => void look(), busy }, t('setup.wifi.look'))
      : h(
          'label',
          { class: 'field' },
          t('setup.wifi.network'),
          h(
            'select',
            {
              value: entries.ssid,
              onChange: (event: Event) => change({ ssid: (event.target as HTMLSelectElement).value }),
            },
            h('option', { value: '' }, t('setup.wifi.none')),
            networks.map(({ ssid, signal }) =>
              h('option', { key: ssid, value: ssid }, `${ssid} (${signal} %)`),
            ),
          ),
          wrong && h('span', { class: 'wrong', role: 'alert' }, `${wrong.message}. ${wrong.fix}`),
        ),
    entries.ssid !== '' &&
      h(Field, {
        label: t('login.password'),
        type: 'password',
        value: entries.wifiPassword,
        onInput: (wifiPassword) => change({ wifiPassword }),
        problem: problemOf('wifi.password'),
        autocomplete: 'off',
      }),
    h(Problem, { error }),
  );
}

export const AdminScreen = ({ entries, change, problemOf }: ScreenProps): JSX.Element =>
  h(
    'div',
    { class: 'stack' },
    h(Field, {
      label: t('login.name'),
      value: entries.admin,
      onInput: (admin) => change({ admin }),
      problem: problemOf('name'),
      autocomplete: 'username',
      required: true,
    }),
    h(Field, {
      label: t('login.password'),
      hint: t('setup.password.hint'),
      type: 'password',
      value: entries.password,
      onInput: (password) => change({ password }),
      problem: problemOf('password'),
      autocomplete: 'new-password',
      required: true,
    }),
    h(Field, {
      label: t('setup.again'),
      type: 'password',
      value: entries.again,
      onInput: (again) => change({ again }),
      problem: problemOf('again'),
      autocomplete: 'new-password',
      required: true,
    }),
  );

export const LinksScreen = ({ entries, change, problemOf }: ScreenProps): JSX.Element =>
  h(
    'div',
    { class: 'stack' },
    h(
      'label',
      { class: 'check' },
      h('input', {
        type: 'checkbox',
        checked: entries.open,
        onChange: () => change({ open: !entries.open }),
      }),
      t('setup.open'),
    ),
    h(Field, {
      label: t('setup.upstream'),
      hint: t('setup.upstream.hint'),
      value: entries.upstream,
      onInput: (upstream) => change({ upstream }),
      problem: problemOf('upstream.url') ?? problemOf('upstream'),
      placeholder: 'mqtts://broker.example:8883',
    }),
    entries.upstream.trim() !== '' &&
      h(
        'div',
        { class: 'pair' },
        h(Field, {
          label: t('setup.upstream.name'),
          value: entries.upstreamName,
          onInput: (upstreamName) => change({ upstreamName }),
          problem: problemOf('upstream.username'),
          autocomplete: 'off',
        }),
        h(Field, {
          label: t('login.password'),
          type: 'password',
          value: entries.upstreamPassword,
          onInput: (upstreamPassword) => change({ upstreamPassword }),
          problem: problemOf('upstream.password'),
          autocomplete: 'off',
        }),
      ),
    h(Field, {
      label: t('setup.chain'),
      hint: t('setup.chain.hint'),
      value: entries.rpcUrl,
      onInput: (rpcUrl) => change({ rpcUrl }),
      problem: problemOf('chain.rpcUrl') ?? problemOf('chain'),
      placeholder: 'https://rpc.example',
    }),
    entries.rpcUrl.trim() !== '' &&
      h(
        'div',
        { class: 'pair' },
        h(Field, {
          label: t('setup.chain.id'),
          value: entries.chainId,
          onInput: (chainId) => change({ chainId }),
          problem: problemOf('chain.chainId'),
        }),
        h(Field, {
          label: t('proof.ledger'),
          value: entries.ledger,
          onInput: (ledger) => change({ ledger }),
          problem: problemOf('chain.ledger'),
          placeholder: '0x…',
          code: true,
        }),
      ),
  );
