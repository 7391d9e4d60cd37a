/** What the child is asked to do: one line of JSON on its standard input. */
export interface TuneJob {
  /** Folder of the version that is tuned. */
  readonly bundle: string;
  /** File that exports `tuning`, see `models/training/tuning.ts`. */
  readonly recipe: string;
  /** Where the new bundle is written. */
  readonly candidate: string;
  readonly version: string;
  readonly dataDir: string;
  readonly stream: string;
  /** Columns by name where the configuration has other names than the model. */
  readonly fields: readonly string[] | undefined;
  readonly device: string | undefined;
  /** Epoch milliseconds of arrival. */
  readonly since: number;
  readonly labels: string | undefined;
  readonly epochs: number;
  /** Most readings read, newest first. */
  readonly maxRows: number;
  readonly seed: number;
  /** Nice value of the child. */
  readonly priority: number;
}

/** What the tuning of a model came to. */
export interface TuneReport {
  readonly stream: string;
  readonly devices: number;
  readonly rows: number;
  readonly windows: number;
  readonly labelled: number;
  /** Event times of the first and last reading. */
  readonly from: number;
  readonly to: number;
  /** Examples trained on and held out, the later ones. */
  readonly trained: number;
  readonly validated: number;
  readonly epochs: number;
  readonly loss: { readonly before: number; readonly after: number };
  /** On the held-out readings of the device. */
  readonly before: Readonly<Record<string, number>>;
  readonly after: Readonly<Record<string, number>>;
  /** On generated samples, which shows what was forgotten. */
  readonly generatedBefore: Readonly<Record<string, number>>;
  readonly generatedAfter: Readonly<Record<string, number>>;
  readonly base: { readonly model: string; readonly sha256: string };
}

/** Lines of JSON that the child answers on file descriptor 3. */
export type TuneMessage =
  | { readonly kind: 'progress'; readonly share: number; readonly note: string }
  | { readonly kind: 'done'; readonly report: TuneReport }
  | { readonly kind: 'failed'; readonly error: TuneError };

export interface TuneError {
  readonly code: string;
  readonly message: string;
  readonly received?: unknown;
  readonly expected?: string;
  readonly fix: string;
}
