import type { Usage, UsageBlock } from '../ports/meter.ts';
import type { ClosedWindow } from '../stream/window.ts';
import { TextBytes, utf8Of } from '../system/text-bytes.ts';
import type { ResultText } from './result-json.ts';

/** Between ids, and between JSON texts (RFC 7464): in none of them. */
const NEWLINE = 10;
const RECORD_SEPARATOR = 30;
const ROWS = utf8Of('","rows":');
const COLUMNS = utf8Of(',"columns":');
const VALUES = utf8Of(',"f64":"');
const END = utf8Of('"}');

/** Texts one after the other in one piece of memory. */
class JoinedTexts {
  readonly bytes = new TextBytes();
  readonly #separator: number;
  readonly #starts: number[] = [];

  constructor(separator: number) {
    this.#separator = separator;
  }

  clear(): void {
    this.bytes.clear();
    this.#starts.length = 0;
  }

  /** What is written to `bytes` from here on is the next text. */
  next(): TextBytes {
    if (this.#starts.length > 0) this.bytes.char(this.#separator);
    this.#starts.push(this.bytes.length);
    return this.bytes;
  }

  start(index: number): number {
    return this.#starts[index]!;
  }

  end(index: number): number {
    const next = this.#starts[index + 1];
    return next === undefined ? this.bytes.length : next - 1;
  }

  at(index: number): string {
    return this.bytes.text(this.start(index), this.end(index));
  }
}

/** The results of one version of a model in one unit, and what they cost. Used again and again: {@link begin} forgets. */
export class UseBlock implements UsageBlock {
  readonly account: string;
  model: Usage['model'];
  startedAt = 0;
  count = 0;
  computeUs = 0;
  bytesIn = 0;
  bytesOut = 0;
  readonly #ids = new JoinedTexts(NEWLINE);
  readonly #requests = new JoinedTexts(RECORD_SEPARATOR);
  readonly #answers = new JoinedTexts(RECORD_SEPARATOR);
  readonly #computeUs: number[] = [];
  readonly #bytesIn: number[] = [];

  constructor(account: string, model: Usage['model']) {
    this.account = account;
    this.model = model;
  }

  get ids(): Uint8Array {
    return this.#ids.bytes.written();
  }

  get requests(): Uint8Array {
    return this.#requests.bytes.written();
  }

  get answers(): Uint8Array {
    return this.#answers.bytes.written();
  }

  begin(model: Usage['model'], startedAt: number): void {
    this.model = model;
    this.startedAt = startedAt;
    this.count = this.computeUs = this.bytesIn = this.bytesOut = 0;
    this.#computeUs.length = this.#bytesIn.length = 0;
    for (const texts of [this.#ids, this.#requests, this.#answers]) texts.clear();
  }

  requestId(index: number): string {
    return this.#ids.at(index);
  }

  use(index: number): Usage {
    return {
      requestId: this.requestId(index),
      account: this.account,
      model: this.model,
      startedAt: this.startedAt,
      computeUs: this.#computeUs[index]!,
      bytesIn: this.#bytesIn[index]!,
      bytesOut: this.#answers.end(index) - this.#answers.start(index),
      request: this.#requests.at(index),
      answer: this.#answers.at(index),
    };
  }

  /** Where the next answer is to be written; {@link answered} ends it. */
  answer(): TextBytes {
    return this.#answers.next();
  }

  /** The answer that was just written. */
  answered(): string {
    const index = this.count++;
    this.bytesOut += this.#answers.end(index) - this.#answers.start(index);
    return this.#answers.at(index);
  }

  /** What the answer just written was made of, as far as it is billed. */
  bill(
    { key, time, ordinal, rows, values }: ClosedWindow,
    columns: number,
    computeUs: number,
    text: ResultText,
  ): void {
    const whole = Math.round(computeUs);
    this.#computeUs.push(whole);
    this.#bytesIn.push(values.byteLength);
    this.computeUs += whole;
    this.bytesIn += values.byteLength;
    text.writeId(this.#ids.next(), key, time, ordinal);
    const request = this.#requests.next();
    text.writeIdInJson(request, key, time, ordinal);
    request.part(ROWS);
    request.number(rows);
    request.part(COLUMNS);
    request.number(columns);
    request.part(VALUES);
    request.base64(memoryOf(values), values.byteOffset, values.byteOffset + values.byteLength);
    request.part(END);
  }
}

let memory: Uint8Array = new Uint8Array(0);

/** All of the memory that `values` lie in; windows that follow each other share it. */
function memoryOf({ buffer }: Float64Array): Uint8Array {
  if (memory.buffer !== buffer) memory = new Uint8Array(buffer);
  return memory;
}
