import type { ModelIdentity, OutputColumn } from '../ports/inference.ts';
import { TextBytes, type Utf8, utf8Of } from '../system/text-bytes.ts';

const COMMA = 44;
const HYPHEN = 45;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const CLOSE = utf8Of('}}');

/** The texts of one device's results that never change. */
interface DeviceText {
  /** `<gateway>/<pipeline>/<device>/` */
  readonly id: Utf8;
  /** From `{"id":"` up to the time in the id. */
  readonly head: Utf8;
  /** From the end of the id up to the value of `time`. */
  readonly middle: Utf8;
}

/**
 * Writes result documents (`{id, pipeline, device, time, model, outputs}`) as JSON, in UTF-8. Put together from prepared
 * parts: a result costs no object.
 */
export class ResultText {
  readonly #scope: string;
  readonly #pipeline: string;
  readonly #devices = new Map<string, DeviceText>();
  readonly #names = new Map<string, Utf8>();
  readonly #scratch = new TextBytes();
  #info: ModelIdentity | undefined;
  #model = utf8Of('');

  /** @param scope first levels of each id: `<gateway>/<pipeline>` */
  constructor(scope: string, pipeline: string) {
    this.#scope = scope;
    this.#pipeline = JSON.stringify(pipeline);
  }

  /** The model named in the documents from here on. */
  use(info: ModelIdentity): void {
    if (info === this.#info) return;
    this.#info = info;
    const { name, version, sha256 } = info;
    this.#model = utf8Of(`,"model":${JSON.stringify({ name, version, sha256 })},"outputs":{`);
  }

  id(device: string, time: number, ordinal: number): string {
    this.#scratch.clear();
    this.writeId(this.#scratch, device, time, ordinal);
    return this.#scratch.text(0, this.#scratch.length);
  }

  writeId(out: TextBytes, device: string, time: number, ordinal: number): void {
    out.part(this.#device(device).id);
    writeMoment(out, time, ordinal);
  }

  /** The id as it stands between the quotes of a JSON string. */
  writeIdInJson(out: TextBytes, device: string, time: number, ordinal: number): void {
    out.part(this.#device(device).head);
    writeMoment(out, time, ordinal);
  }

  /** @param place of the window in the part that `columns` are of */
  writeDocument(
    out: TextBytes,
    device: string,
    time: number,
    ordinal: number,
    columns: readonly OutputColumn[],
    place: number,
  ): void {
    this.#writeHead(out, device, time, ordinal);
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i]!;
      if (i > 0) out.char(COMMA);
      out.part(this.#name(column.name));
      writeOutput(out, column, place);
    }
    out.part(CLOSE);
  }

  /** A result whose outputs are JSON already. */
  documentOf(
    device: string,
    time: number,
    ordinal: number,
    outputs: Iterable<readonly [name: string, json: string]>,
  ): string {
    const out = this.#scratch;
    out.clear();
    this.#writeHead(out, device, time, ordinal);
    let first = true;
    for (const [name, json] of outputs) {
      if (!first) out.char(COMMA);
      first = false;
      out.part(this.#name(name));
      out.string(json);
    }
    out.part(CLOSE);
    return out.text(0, out.length);
  }

  #writeHead(out: TextBytes, device: string, time: number, ordinal: number): void {
    const { head, middle } = this.#device(device);
    out.part(head);
    writeMoment(out, time, ordinal);
    out.part(middle);
    out.number(time);
    out.part(this.#model);
  }

  // Devices and output names are bounded by the stream's limit on devices and by the model's manifest.
  #device(device: string): DeviceText {
    let texts = this.#devices.get(device);
    if (texts === undefined) {
      const id = `${this.#scope}/${device}/`;
      texts = {
        id: utf8Of(id),
        head: utf8Of(`{"id":${JSON.stringify(id).slice(0, -1)}`),
        middle: utf8Of(`","pipeline":${this.#pipeline},"device":${JSON.stringify(device)},"time":`),
      };
      this.#devices.set(device, texts);
    }
    return texts;
  }

  #name(name: string): Utf8 {
    let text = this.#names.get(name);
    if (text === undefined) {
      text = utf8Of(`${JSON.stringify(name)}:`);
      this.#names.set(name, text);
    }
    return text;
  }
}

function writeMoment(out: TextBytes, time: number, ordinal: number): void {
  out.number(time);
  out.char(HYPHEN);
  out.number(ordinal);
}

/** The value of one window as JSON: one number or text, or a list of them. */
function writeOutput(out: TextBytes, column: OutputColumn, place: number): void {
  const { per } = column;
  if (per === 1) {
    writeElement(out, column, place);
    return;
  }
  out.char(OPEN_LIST);
  const from = place * per;
  for (let at = from; at < from + per; at++) {
    if (at > from) out.char(COMMA);
    writeElement(out, column, at);
  }
  out.char(CLOSE_LIST);
}

function writeElement(out: TextBytes, { kind, labels, single, data }: OutputColumn, at: number): void {
  const value = data[at]!;
  if (kind !== 'numbers')
    out.string(kind === 'boolean' ? String(value === 1) : JSON.stringify(labels![value]));
  else if (single) out.float32(value);
  else out.number(value);
}
