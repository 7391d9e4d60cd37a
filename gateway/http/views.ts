import type { LiveSource } from './api/events/topics.ts';
import type { AlarmEntry, AlarmsQuery } from './api/schemas/alarms.ts';
import type { BenchEntry } from './api/schemas/bench.ts';
import type { DeviceDetail, DeviceRow, DevicesQuery } from './api/schemas/devices.ts';
import type { ModelComparison, ModelFamily, ModelView } from './api/schemas/models.ts';
import type { OverviewView } from './api/schemas/overview.ts';
import type { PipelineDetail, ResultPage, ResultsQuery, ResultView } from './api/schemas/pipelines.ts';
import type { PlotView } from './api/schemas/plots.ts';
import type {
  BatchDetail,
  BatchView,
  BillingSummary,
  ReceiptDetail,
  ReceiptsQuery,
  ReceiptView,
} from './api/schemas/receipts.ts';
import type { AuditView, HealthView, RejectedView, StatusView } from './api/schemas/status.ts';
import type { ReadingsQuery, ReadingsView, StreamDetail } from './api/schemas/streams.ts';
import type { SinkDetail } from './api/schemas/upstream.ts';
import type { ModelLoad } from './model-metrics.ts';

export type { AlarmEntry } from './api/schemas/alarms.ts';
export type { BenchEntry } from './api/schemas/bench.ts';
export type { DeviceDetail, DeviceRow, DevicesQuery, DeviceView } from './api/schemas/devices.ts';
export type { ModelComparison, ModelFamily, ModelView } from './api/schemas/models.ts';
export type { OverviewView } from './api/schemas/overview.ts';
export type {
  PipelineDetail,
  PipelineView,
  ResultPage,
  ResultsQuery,
  ResultView,
} from './api/schemas/pipelines.ts';
export type { PlotView } from './api/schemas/plots.ts';
export type {
  BatchDetail,
  BatchView,
  BillingSummary,
  BillingView,
  ReceiptDetail,
  ReceiptsQuery,
  ReceiptView,
} from './api/schemas/receipts.ts';
export type {
  SettingsChange,
  SettingsCheck,
  SettingsIssue,
  SettingsSaved,
  SettingsView,
} from './api/schemas/settings.ts';
export type {
  SetupBody,
  SetupDone,
  SetupStep,
  SetupView,
  StepAnswer,
  WifiNetwork,
} from './api/schemas/setup.ts';
export type { AuditView, HealthView, RejectedView, StatusView } from './api/schemas/status.ts';
export type {
  AnomalyView,
  ReadingsQuery,
  ReadingsView,
  SeriesView,
  StreamDetail,
  StreamView,
} from './api/schemas/streams.ts';
export type { SinkDetail, SinkView } from './api/schemas/upstream.ts';

/** How many, at most, and of what. */
export interface ListQuery {
  readonly limit: number;
}

type Samples = Readonly<Record<string, readonly number[]>>;
export interface Rates {
  /** By stream. */
  readonly streams: Samples;
  /** By pipeline. */
  readonly pipelines: Samples;
}

/** A page of a list that is paged by name. */
export interface Page<T> {
  readonly entries: readonly T[];
  /** Of all that match, on any page. */
  readonly total: number;
  /** Where the next page begins; null when this is the last. */
  readonly next: string | null;
}

/**
 * What the HTTP interface shows: readers that the composition root provides. It knows no other part of the gateway.
 * They are called per request and must be cheap or asynchronous. What does not exist is NOT_FOUND.
 */
export interface Views {
  health(): HealthView;
  status(): StatusView;
  /** What happens, for those who listen. */
  readonly live: LiveSource;
  /** Readings and results a second, lately, oldest sample first. */
  rates(): Rates;
  overview(): OverviewView;
  streams(): Promise<readonly StreamDetail[]>;
  readings(stream: string, query: ReadingsQuery, signal: AbortSignal): Promise<ReadingsView>;
  pipelines(): readonly PipelineDetail[];
  /** Results of one pipeline, newest first. */
  pipelineResults(pipeline: string, query: ResultsQuery): Promise<ResultPage>;
  upstream(): readonly SinkDetail[];
  devices(query: DevicesQuery): Promise<Page<DeviceRow>>;
  device(name: string): Promise<DeviceDetail>;
  models(): readonly ModelView[];
  modelFamily(name: string): ModelFamily;
  modelComparison(name: string): ModelComparison;
  /** What each version did since the start. */
  modelLoads(): readonly ModelLoad[];
  /** Newest first. */
  alarms(query: AlarmsQuery): readonly AlarmEntry[];
  /** Newest values as short series to draw. */
  plots(): Promise<readonly PlotView[]>;
  /** Newest first. */
  results(
    query: ListQuery & { pipeline?: string | undefined; device?: string | undefined },
  ): Promise<readonly ResultView[]> | readonly ResultView[];
  billing(): Promise<BillingSummary>;
  /** Newest first. */
  receipts(query: ReceiptsQuery): Promise<readonly ReceiptView[]>;
  receipt(id: string): Promise<ReceiptDetail>;
  /** The proof as its one true text. */
  receiptProof(id: string): Promise<string>;
  /** Newest first. */
  batches(query: ListQuery & { before?: number | undefined }): Promise<readonly BatchView[]>;
  batch(id: number): Promise<BatchDetail>;
  bench(): Promise<readonly BenchEntry[]>;
  benchReport(id: string): Promise<unknown>;
  /** Newest first. */
  rejected(query: ListQuery & { stream?: string | undefined }): Promise<readonly RejectedView[]>;
  audit(): Promise<readonly AuditView[]>;
}
