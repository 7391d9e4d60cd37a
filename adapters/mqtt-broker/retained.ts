import type { Change, StoredState } from './changes.ts';

/** A retained message as aedes wants it back. */
export interface RetainedPacket {
  readonly cmd: 'publish';
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
}

interface Node {
  readonly children: Map<string, Node>;
  packet: RetainedPacket | null;
}

const node = (): Node => ({ children: new Map(), packet: null });

/** Retained messages by topic, found by filter without looking at those that do not match. */
export class Retained {
  readonly #max: number;
  readonly #maxBytes: number;
  readonly #write: (change: Change) => void;
  readonly #root = node();
  #count = 0;
  #bytes = 0;
  #refused = 0;

  constructor(limits: { max: number; maxBytes: number }, write: (change: Change) => void) {
    this.#max = limits.max;
    this.#maxBytes = limits.maxBytes;
    this.#write = write;
  }

  /** Messages kept, their bytes, and how many were not kept because a bound was reached. */
  get stats(): { messages: number; bytes: number; refused: number } {
    return { messages: this.#count, bytes: this.#bytes, refused: this.#refused };
  }

  /** Restores what an earlier run kept. */
  restore(rows: StoredState['retained']): void {
    this.#root.children.clear();
    this.#count = 0;
    this.#bytes = 0;
    for (const { topic, payload, qos } of rows)
      this.#put({ cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain: true });
  }

  /** Keeps the message as the topic's retained one; an empty payload removes it [MQTT-3.3.1-10]. */
  set(packet: RetainedPacket): void {
    if (packet.payload.length === 0) {
      if (this.#take(packet.topic))
        this.#write({ kind: 'retain', topic: packet.topic, payload: null, qos: 0 });
      return;
    }
    if (!this.#put(packet)) return;
    const { topic, payload, qos } = packet;
    this.#write({ kind: 'retain', topic, payload, qos });
  }

  #put(packet: RetainedPacket): boolean {
    const known = this.#find(packet.topic);
    const before = known?.packet?.payload.length ?? 0;
    if (
      (!known?.packet && this.#count >= this.#max) ||
      this.#bytes - before + packet.payload.length > this.#maxBytes
    ) {
      this.#refused++;
      return false;
    }
    let at = this.#root;
    for (const level of packet.topic.split('/')) {
      let next = at.children.get(level);
      if (!next) {
        next = node();
        at.children.set(level, next);
      }
      at = next;
    }
    if (!at.packet) this.#count++;
    this.#bytes += packet.payload.length - before;
    at.packet = packet;
    return true;
  }

  #find(topic: string): Node | undefined {
    let at: Node | undefined = this.#root;
    for (const level of topic.split('/')) {
      at = at.children.get(level);
      if (!at) return undefined;
    }
    return at;
  }

  #take(topic: string): boolean {
    const path = topic.split('/');
    const visited = [this.#root];
    for (const level of path) {
      const next = visited.at(-1)!.children.get(level);
      if (!next) return false;
      visited.push(next);
    }
    const leaf = visited.at(-1)!;
    if (!leaf.packet) return false;
    this.#bytes -= leaf.packet.payload.length;
    this.#count--;
    leaf.packet = null;
    for (let i = path.length; i > 0; i--) {
      const at = visited[i]!;
      if (at.packet || at.children.size > 0) break;
      visited[i - 1]!.children.delete(path[i - 1]!);
    }
    return true;
  }

  /** Messages whose topic matches; found while they are taken, so a slow taker holds no list of them. */
  match(filter: string): Generator<RetainedPacket> {
    return walk(this.#root, filter.split('/'), 0);
  }
}

function* walk(at: Node, path: readonly string[], depth: number): Generator<RetainedPacket> {
  const level = path[depth];
  if (level === undefined) {
    if (at.packet) yield at.packet;
    return;
  }
  if (level === '#') {
    // The parent level matches too (MQTT 3.1.1 §4.7.1.2).
    if (at.packet) yield at.packet;
    for (const [name, child] of at.children) if (depth > 0 || !name.startsWith('$')) yield* everything(child);
    return;
  }
  if (level === '+') {
    for (const [name, child] of at.children)
      if (depth > 0 || !name.startsWith('$')) yield* walk(child, path, depth + 1);
    return;
  }
  const child = at.children.get(level);
  if (child) yield* walk(child, path, depth + 1);
}

function* everything(at: Node): Generator<RetainedPacket> {
  if (at.packet) yield at.packet;
  for (const child of at.children.values()) yield* everything(child);
}
