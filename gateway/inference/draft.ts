import type { Model } from './model.ts';
import type { Segment, Work } from './work.ts';

/** A run that is being put together. */
export class Draft {
  readonly model: Model;
  readonly segments: Segment[] = [];
  rows = 0;
  #format: string | undefined;
  #room: number;
  #bytes: number;

  constructor(model: Model, room: number) {
    this.model = model;
    this.#room = room;
    this.#bytes = model.plan.maxTensorBytes;
  }

  get full(): boolean {
    return this.#room <= 0;
  }

  get room(): number {
    return this.#room;
  }

  /** Takes the next units of a work, at most `most` rows of them but at least one unit; returns how many rows. */
  take(work: Work, most: number): number {
    if (this.#format !== undefined && work.format !== this.#format) return 0;
    const fitting = this.#bytes / Math.max(1, work.unitBytes);
    let units = Math.floor(Math.min(this.#room, Math.max(most, work.rows)) / Math.max(1, work.rows));
    units = Math.min(units, Math.floor(fitting));
    // The first is taken whatever its size: checks at the door have let it in.
    if (this.#format === undefined) units = Math.max(1, units);
    if (units < 1) return 0;
    const from = work.next;
    let to = from + 1;
    const end = Math.min(work.units, from + units);
    while (to < end && !work.answered(to)) to++;
    work.next = to;
    const rows = (to - from) * work.rows;
    this.segments.push({ work, from, to });
    this.#format = work.format;
    this.rows += rows;
    this.#room -= Math.max(1, rows);
    this.#bytes -= (to - from) * work.unitBytes;
    return rows;
  }
}
