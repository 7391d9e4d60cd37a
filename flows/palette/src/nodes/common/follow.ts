import type { FeedKind, FeedRecord, FeedStart } from '../../gateway/feed.ts';
import type { FlowNode } from '../../red.ts';
import { type Attached, statusOf } from './attach.ts';

export type StartChoice = 'new' | 'oldest' | 'resume';

export interface FollowOptions {
  readonly kind: FeedKind;
  readonly id: string;
  readonly device: string;
  readonly start: StartChoice;
  record(record: FeedRecord): void;
}

/** As it is kept; of another journal, it means nothing. */
interface Cursor {
  readonly of: string;
  readonly seq: number;
}

/** Follows a journal of the gateway for a node; its cursor is kept in the context of the node. */
export function follow(node: FlowNode, { client, line, onClose }: Attached, options: FollowOptions): void {
  const { kind, id, device, start, record } = options;
  const of = `${kind}/${id}`;
  const kept = node.context().get('cursor') as Cursor | undefined;
  const from: FeedStart = start === 'resume' ? (kept?.of === of ? kept.seq : 'new') : start;
  let told = '';
  line.waiting();
  onClose(
    client.follow({
      kind,
      id,
      device,
      start: from,
      record,
      cursor: (seq) => node.context().set('cursor', { of, seq } satisfies Cursor),
      missed: (count) => node.warn(`${count} records had left the journal of ${id} before they were read`),
      state: (state, error) => {
        if (state === 'following') line.good();
        else line.bad(statusOf(error));
        if (error && error.message !== told) node.warn(error.message);
        told = error?.message ?? '';
      },
    }),
  );
}
