/** Something a person should know and can do something about. */
export interface Alarm {
  /** Stable kind, the last level of `aimx/alarm/<kind>`: `store-full`, `model-crashed`. */
  readonly kind: string;
  readonly severity: 'info' | 'warning' | 'critical';
  readonly message: string;
  /** What to do. */
  readonly fix: string;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Raising the same kind again updates it; clearing tells that it is over. */
export interface Alarms {
  raise(alarm: Alarm): void;
  clear(kind: string): void;
  active(): readonly Alarm[];
}
