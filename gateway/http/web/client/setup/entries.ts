import type { SetupBody } from '../types.ts';

/** What people have entered so far, as texts. */
export interface Entries {
  readonly name: string;
  readonly latitude: string;
  readonly longitude: string;
  readonly ssid: string;
  readonly wifiPassword: string;
  readonly admin: string;
  readonly password: string;
  readonly again: string;
  readonly open: boolean;
  readonly upstream: string;
  readonly upstreamName: string;
  readonly upstreamPassword: string;
  readonly rpcUrl: string;
  readonly chainId: string;
  readonly ledger: string;
}

export const noEntries = (name: string): Entries => ({
  name,
  latitude: '',
  longitude: '',
  ssid: '',
  wifiPassword: '',
  admin: 'admin',
  password: '',
  again: '',
  open: false,
  upstream: '',
  upstreamName: '',
  upstreamPassword: '',
  rpcUrl: '',
  chainId: '',
  ledger: '',
});

const given = <K extends string>(key: K, text: string): { readonly [key in K]?: string } =>
  (text.trim() === '' ? {} : { [key]: text.trim() }) as { readonly [key in K]?: string };
const figure = <K extends string>(key: K, text: string): { readonly [key in K]?: number } =>
  (text.trim() === '' ? {} : { [key]: Number(text.replace(',', '.')) }) as { readonly [key in K]?: number };

export const placeOf = (e: Entries): SetupBody['place'] => ({
  name: e.name.trim(),
  ...figure('latitude', e.latitude),
  ...figure('longitude', e.longitude),
  ...(e.ssid === '' ? {} : { wifi: { ssid: e.ssid, ...given('password', e.wifiPassword) } }),
});

export const adminOf = (e: Entries): NonNullable<SetupBody['admin']> => ({
  name: e.admin.trim(),
  password: e.password,
});

export const linksOf = (e: Entries): SetupBody['links'] => ({
  open: e.open,
  ...(e.upstream.trim() === ''
    ? {}
    : {
        upstream: {
          url: e.upstream.trim(),
          ...given('username', e.upstreamName),
          ...given('password', e.upstreamPassword),
        },
      }),
  ...(e.rpcUrl.trim() === ''
    ? {}
    : { chain: { rpcUrl: e.rpcUrl.trim(), chainId: Number(e.chainId), ...given('ledger', e.ledger) } }),
});
