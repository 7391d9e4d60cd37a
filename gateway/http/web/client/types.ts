/** Shapes of answers, from the gateway's own schemas. */
export type { AlarmEntry } from '../../api/schemas/alarms.ts';
export type { BenchEntry } from '../../api/schemas/bench.ts';
export type { DeviceDetail, DeviceRow } from '../../api/schemas/devices.ts';
export type { ModelComparison, ModelFamily, ModelView } from '../../api/schemas/models.ts';
export type { OverviewView as Overview } from '../../api/schemas/overview.ts';
export type { PipelineDetail, ResultPage, ResultView } from '../../api/schemas/pipelines.ts';
export type { PlotView } from '../../api/schemas/plots.ts';
export type {
  BatchDetail,
  BatchView,
  BillingSummary,
  ReceiptDetail,
  ReceiptView,
} from '../../api/schemas/receipts.ts';
export type {
  SettingsCheck,
  SettingsIssue,
  SettingsSaved,
  SettingsView,
} from '../../api/schemas/settings.ts';
export type { SetupBody, SetupDone, SetupView, StepAnswer } from '../../api/schemas/setup.ts';
export type { AnomalyView, ReadingsView, StreamDetail } from '../../api/schemas/streams.ts';
export type { SinkDetail } from '../../api/schemas/upstream.ts';

import type { z } from 'zod';
import type { channelReceipt, channelView } from '../../api/schemas/channels.ts';
import type { flowsView, snapshotView } from '../../api/schemas/flows.ts';

export type ChannelView = z.output<typeof channelView>;
export type ChannelReceipt = z.output<typeof channelReceipt> & {
  readonly seq: string;
  readonly amount: string;
  readonly cumulative: string;
  readonly hash: string;
};
export type FlowsView = z.output<typeof flowsView>;
export type SnapshotView = z.output<typeof snapshotView>;
