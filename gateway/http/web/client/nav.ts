import type { Word } from './lib/i18n.ts';
import type { IconName } from './ui/icons.ts';

/** Pages as the menu shows them. Each is loaded when it is first opened. */
export interface Entry {
  readonly page: string;
  readonly word: Word;
  readonly icon: IconName;
  /** Also in the bar at the bottom of small screens. */
  readonly bar?: boolean;
}

export const MENU: readonly { readonly word: Word | null; readonly entries: readonly Entry[] }[] = [
  { word: null, entries: [{ page: 'overview', word: 'nav.overview', icon: 'overview', bar: true }] },
  {
    word: 'nav.in',
    entries: [
      { page: 'streams', word: 'nav.streams', icon: 'streams', bar: true },
      { page: 'devices', word: 'nav.devices', icon: 'devices' },
    ],
  },
  {
    word: 'nav.decide',
    entries: [
      { page: 'pipelines', word: 'nav.pipelines', icon: 'pipelines' },
      { page: 'models', word: 'nav.models', icon: 'models', bar: true },
      { page: 'flows', word: 'nav.flows', icon: 'flows' },
      { page: 'bench', word: 'nav.bench', icon: 'bench' },
    ],
  },
  {
    word: 'nav.out',
    entries: [
      { page: 'upstream', word: 'nav.upstream', icon: 'upstream' },
      { page: 'receipts', word: 'nav.receipts', icon: 'receipts' },
      { page: 'channels', word: 'nav.channels', icon: 'channels' },
    ],
  },
  {
    word: 'nav.system',
    entries: [
      { page: 'alarms', word: 'nav.alarms', icon: 'alarms', bar: true },
      { page: 'settings', word: 'nav.settings', icon: 'settings' },
    ],
  },
];
