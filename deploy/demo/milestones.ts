import type { ResultDocument } from '../../gateway/ports/results.ts';
import type { ChildMessage } from './children.ts';
import { outputsText, type Style, timed } from './screen.ts';

/** What the milestones watch of a gateway. */
export interface Watched {
  readonly results: {
    subscribe(listener: (pipeline: string, device: string, json: string) => void): () => void;
  };
  readonly views: {
    status(): {
      readonly billing: {
        readonly batches: readonly {
          readonly state: string;
          readonly receipts: number;
          readonly txHash: string | null;
        }[];
      } | null;
    };
  };
}

const BATCH_POLL_MS = 1000;
const ANOMALY = 0.9;
const NAMES = ['first result', 'first aggregate upstream', 'first batch on the chain'] as const;
type Name = (typeof NAMES)[number];

/** Says the first time that each stage of the main job was seen to work, and later what is worth a line. */
export class Milestones {
  readonly complete: Promise<void>;
  private finish: () => void = () => {};
  private readonly seen = new Set<Name>();
  private readonly pipelines = new Set<string>();
  private readonly conditions = new Map<string, string>();
  private readonly anomalous = new Set<string>();
  private readonly style: Style;
  private readonly print: (line: string) => void;
  private readonly begun: number;

  constructor(style: Style, print: (line: string) => void, begun: number) {
    this.style = style;
    this.print = print;
    this.begun = begun;
    this.complete = new Promise((done) => {
      this.finish = done;
    });
  }

  get done(): boolean {
    return this.seen.size === NAMES.length;
  }

  missing(): Name[] {
    return NAMES.filter((name) => !this.seen.has(name));
  }

  message(message: ChildMessage): void {
    if (message.kind === 'note') this.say(this.style.dim(message.message));
    if (message.kind === 'first-record') {
      // up/<gateway>/<kind>/<id>/<device>
      const [, , , id, device] = message.topic.split('/');
      const text = `first ${message.record} upstream: ${id} of ${device}`;
      if (message.record === 'aggregate') this.reach('first aggregate upstream', text);
      else this.say(text);
    }
  }

  /** Looks on until the returned function is called. */
  watch(gateway: Watched): () => void {
    const unsubscribe = gateway.results.subscribe((pipeline, device, json) =>
      this.result(pipeline, device, json),
    );
    const timer = setInterval(() => {
      if (this.seen.has('first batch on the chain')) return;
      const { billing } = gateway.views.status();
      const batch = billing?.batches.find((one) => one.state === 'MINED' || one.state === 'FINAL');
      if (!batch) return;
      const text = `${batch.receipts} ${batch.receipts === 1 ? 'receipt' : 'receipts'}`;
      this.reach('first batch on the chain', `first batch on the chain: ${text}`, `${batch.txHash}`);
    }, BATCH_POLL_MS);
    return () => {
      clearInterval(timer);
      unsubscribe();
    };
  }

  private result(pipeline: string, device: string, json: string): void {
    const { outputs } = JSON.parse(json) as ResultDocument;
    if (!this.pipelines.has(pipeline)) {
      this.pipelines.add(pipeline);
      this.reach('first result', `first result of ${pipeline}: ${device}, ${outputsText(outputs)}`);
    }
    if (pipeline === 'temperature-anomaly') this.anomaly(device, Number(outputs.score));
    const condition = outputs.condition ?? outputs.comfort;
    if (typeof condition !== 'string') return;
    const before = this.conditions.get(device);
    this.conditions.set(device, condition);
    if (before !== undefined && before !== condition) {
      this.say(`${pipeline}: ${device} ${before} → ${this.style.cyan(condition)}`);
    }
  }

  private anomaly(device: string, score: number): void {
    const now = score >= ANOMALY;
    if (now && !this.anomalous.has(device)) {
      this.anomalous.add(device);
      this.say(`temperature-anomaly: ${this.style.yellow(device)} scores ${score.toFixed(3)}`);
    } else if (!now && score < ANOMALY / 2) this.anomalous.delete(device);
  }

  private reach(name: Name, text: string, detail?: string): void {
    const seconds = ((performance.now() - this.begun) / 1000).toFixed(1);
    this.say(`${this.style.green('✓')} ${text} ${this.style.dim(`(${seconds} s)`)}`);
    if (detail !== undefined) this.print(`${' '.repeat('00:00:00 ✓ '.length)}${this.style.dim(detail)}`);
    const before = this.done;
    this.seen.add(name);
    if (!this.done || before) return;
    this.say(this.style.bold('everything works; from here on you see what the models make of it'));
    this.finish();
  }

  private say(text: string): void {
    this.print(timed(this.style, text));
  }
}
