import { h, type JSX } from 'preact';
import { t } from '../lib/i18n.ts';
import type { Route } from '../lib/router.ts';
import { Empty, Page } from '../ui/parts.ts';

export const ChannelsPage = (_props: { readonly route: Route }): JSX.Element =>
  h(
    Page,
    { title: t('nav.channels'), lead: t('channels.lead') },
    h(Empty, { icon: 'channels' }, t('channels.none')),
  );
