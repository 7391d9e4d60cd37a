import type { ModelInfo, OutputValue } from '../ports/inference.ts';

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
  #info: ModelInfo | undefined;
  #model = '';

  /** @param scope first levels of each id: `<gateway>/<pipeline>` */
  constructor(scope: string, pipeline: string) {
    this.#scope = scope;
    this.#pipeline = JSON.stringify(pipeline);
  }

  /** The model named in the documents from here on. */
  use(info: ModelInfo): void {
    if (info === this.#info) return;
    this.#info = info;
    const { name, version, sha256 } = info;
    this.#model = `,"model":${JSON.stringify({ name, version, sha256 })},"outputs":{`;
  }

  id(device: string, time: number, ordinal: number): string {
    return `${this.#device(device).id}${time}-${ordinal}`;
  }

  document(
    device: string,
    time: number,
    ordinal: number,
    outputs: Readonly<Record<string, OutputValue>>,
  ): string {
    const texts = this.#device(device);
    let text = `${texts.head}${time}-${ordinal}${texts.middle}${time}${this.#model}`;
    let separator = '';
    for (const name in outputs) {
      text += separator + this.#name(name) + outputText(outputs[name]!);
      separator = ',';
    }
    return `${text}}}`;
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

/** As JSON.stringify writes it: numbers JSON cannot hold become null. */
function outputText(value: OutputValue): string {
  if (typeof value === 'number') return numberText(value);
  if (typeof value !== 'object') return JSON.stringify(value);
  let text = '[';
  for (let i = 0; i < value.length; i++) {
    const element = value[i]!;
    text +=
      (i === 0 ? '' : ',') + (typeof element === 'number' ? numberText(element) : JSON.stringify(element));
  }
  return `${text}]`;
}

const numberText = (value: number): string => (Number.isFinite(value) ? String(value) : 'null');
