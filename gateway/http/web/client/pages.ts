import type { ComponentType } from 'preact';
import type { Route } from './lib/router.ts';
import { OverviewPage } from './pages/overview.ts';

export type PageModule = ComponentType<{ readonly route: Route }>;

/** Where pages come from. The first one is there from the beginning, the others are loaded when they are opened. */
export const PAGES: Readonly<Record<string, () => Promise<PageModule>>> = {
  overview: async () => OverviewPage,
  login: async () => (await import('./pages/login.ts')).LoginPage,
  streams: async () => (await import('./pages/streams.ts')).StreamsPage,
  devices: async () => (await import('./pages/devices.ts')).DevicesPage,
  pipelines: async () => (await import('./pages/pipelines.ts')).PipelinesPage,
  models: async () => (await import('./pages/models.ts')).ModelsPage,
  flows: async () => (await import('./pages/flows.ts')).FlowsPage,
  bench: async () => (await import('./pages/bench.ts')).BenchPage,
  upstream: async () => (await import('./pages/upstream.ts')).UpstreamPage,
  receipts: async () => (await import('./pages/receipts.ts')).ReceiptsPage,
  channels: async () => (await import('./pages/channels.ts')).ChannelsPage,
  alarms: async () => (await import('./pages/alarms.ts')).AlarmsPage,
  settings: async () => (await import('./pages/settings.ts')).SettingsPage,
};
