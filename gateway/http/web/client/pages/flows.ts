import { h, type JSX } from 'preact';
import { t } from '../lib/i18n.ts';
import type { Route } from '../lib/router.ts';
import { Icon } from '../ui/icons.ts';
import { Card, Page } from '../ui/parts.ts';

export const FlowsPage = (_props: { readonly route: Route }): JSX.Element =>
  h(
    Page,
    { title: t('nav.flows'), lead: t('flows.lead') },
    h(
      Card,
      {},
      h('a', { class: 'button primary', href: '/flows/' }, h(Icon, { name: 'external' }), t('flows.open')),
    ),
  );
