import type { ModelIdentity, OutputColumn } from '../ports/inference.ts';
import { shortestDecimal } from '../system/decimal.ts';

/** The texts of one device's results that never change. */
interface DeviceText {
  /** `<gateway>/<pipeline>/<device>/` */
  readonly id: string;
  /** From `{"id":"` up to the time in the id. */
  readonly head: string;
  /** From the end of the id up to the value of `time`. */
  readonly middle: string;
}

/**
 * Writes result documents (`{id, pipeline, device, time, model, outputs}`) as JSON text. Put together from prepared
 * parts: a result costs a few string additions and no object.
 */
export class ResultText {
  readonly #scope: string;
  readonly #pipeline: string;
  readonly #devices = new Map<string, DeviceText>();
  readonly #names = new Map<string, string>();
  #info: ModelIdentity | undefined;
  #model = '';

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
    this.#model = `,"model":${JSON.stringify({ name, version, sha256 })},"outputs":{`;
  }

  id(device: string, time: number, ordinal: number): string {
    return `${this.#device(device).id}${time}-${ordinal}`;
  }

  /** @param place of the window in the part that `columns` are of */
  document(
    device: string,
    time: number,
    ordinal: number,
    columns: readonly OutputColumn[],
    place: number,
  ): string {
    const texts = this.#device(device);
    let text = `${texts.head}${time}-${ordinal}${texts.middle}${time}${this.#model}`;
    let separator = '';
    for (const column of columns) {
      text += separator + this.#name(column.name) + outputText(column, place);
      separator = ',';
    }
    return `${text}}}`;
  }

  /** A result whose outputs are JSON already. */
  documentOf(
    device: string,
    time: number,
    ordinal: number,
    outputs: Iterable<readonly [name: string, json: string]>,
  ): string {
    const texts = this.#device(device);
    const parts = Array.from(outputs, ([name, json]) => this.#name(name) + json);
    return `${texts.head}${time}-${ordinal}${texts.middle}${time}${this.#model}${parts.join(',')}}}`;
  }

  // Devices and output names are bounded by the stream's limit on devices and by the model's manifest.
  #device(device: string): DeviceText {
    let texts = this.#devices.get(device);
    if (texts === undefined) {
      const id = `${this.#scope}/${device}/`;
      texts = {
        id,
        head: `{"id":${JSON.stringify(id).slice(0, -1)}`,
        middle: `","pipeline":${this.#pipeline},"device":${JSON.stringify(device)},"time":`,
      };
      this.#devices.set(device, texts);
    }
    return texts;
  }

  #name(name: string): string {
    let text = this.#names.get(name);
    if (text === undefined) {
      text = `${JSON.stringify(name)}:`;
      this.#names.set(name, text);
    }
    return text;
  }
}

/** The value of one window as JSON: one number or text, or a list of them. */
function outputText(column: OutputColumn, place: number): string {
  const { per } = column;
  if (per === 1) return elementText(column, place);
  const end = (place + 1) * per;
  let text = '[';
  for (let at = place * per; at < end; at++) text += (text.length === 1 ? '' : ',') + elementText(column, at);
  return `${text}]`;
}

function elementText({ kind, labels, single, data }: OutputColumn, at: number): string {
  const value = data[at]!;
  if (kind === 'numbers') return String(single ? shortestDecimal(value) : value);
  return kind === 'boolean' ? String(value === 1) : JSON.stringify(labels![value]);
}
