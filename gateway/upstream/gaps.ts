/** Records that are never offered: (after, to]. */
interface Gap {
  readonly after: number;
  readonly to: number;
}

/** Most gaps remembered; each took an outage that filled the outbox, was drained by a tenth, and filled it again. */
const MAX_GAPS = 1000;

/**
 * What a full outbox with `reject-new` has turned away of one stream. While it is closed, what is newer than the
 * closing is not offered; on reopening that becomes a gap, which the cursor later passes over as expired.
 */
export class Gaps {
  #gaps: Gap[] = [];
  #closedAt: number | undefined;

  get closed(): boolean {
    return this.#closedAt !== undefined;
  }

  close(head: number): void {
    this.#closedAt ??= head;
  }

  open(head: number): void {
    const after = this.#closedAt;
    this.#closedAt = undefined;
    if (after === undefined || head <= after) return;
    const last = this.#gaps.at(-1);
    // Beyond the bound the last gap grows: more is given up, nothing is forgotten.
    if (last && (last.to >= after || this.#gaps.length >= MAX_GAPS)) {
      this.#gaps[this.#gaps.length - 1] = { after: last.after, to: head };
    } else {
      this.#gaps.push({ after, to: head });
    }
  }

  /** Where the cursor may pass to without offering anything; `position` itself when the next record is to be sent. */
  skip(position: number): number {
    let to = position;
    for (const gap of this.#gaps) if (gap.after <= to && gap.to > to) to = gap.to;
    return to;
  }

  /** Seq of the last record that may be offered in one go after `position`. */
  limit(position: number, head: number): number {
    let limit = Math.min(head, this.#closedAt ?? head);
    for (const gap of this.#gaps) if (gap.after >= position) limit = Math.min(limit, gap.after);
    return limit;
  }

  /** Records after `position` that are still to be offered. */
  pending(position: number, head: number): number {
    const end = Math.min(head, this.#closedAt ?? head);
    let count = Math.max(0, end - position);
    for (const gap of this.#gaps) {
      count -= Math.max(0, Math.min(gap.to, end) - Math.max(gap.after, position));
    }
    return Math.max(0, count);
  }

  /** Forgets gaps that are passed. */
  passed(position: number): void {
    if (this.#gaps.length > 0) this.#gaps = this.#gaps.filter((gap) => gap.to > position);
  }

  encode(): Uint8Array {
    return Buffer.from(JSON.stringify({ gaps: this.#gaps, closedAt: this.#closedAt ?? null }));
  }

  load(bytes: Uint8Array): void {
    const { gaps, closedAt } = JSON.parse(Buffer.from(bytes).toString()) as {
      gaps: Gap[];
      closedAt: number | null;
    };
    this.#gaps = gaps;
    this.#closedAt = closedAt ?? undefined;
  }
}
