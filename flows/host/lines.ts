/** Cuts bytes into the lines of JSON that they are. */
export class LineReader {
  readonly #longest: number;
  readonly #take: (value: unknown) => void;
  #parts: Buffer[] = [];
  #bytes = 0;

  /** @param longest bytes of a line; a longer one throws RangeError */
  constructor(longest: number, take: (value: unknown) => void) {
    this.#longest = longest;
    this.#take = take;
  }

  /** @throws RangeError, SyntaxError */
  push(chunk: Buffer): void {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(0x0a, from);
      const part = chunk.subarray(from, end < 0 ? undefined : end);
      this.#bytes += part.length;
      if (this.#bytes > this.#longest) throw new RangeError(`a line is longer than ${this.#longest} bytes`);
      this.#parts.push(part);
      if (end < 0) return;
      const line = Buffer.concat(this.#parts).toString();
      this.#parts = [];
      this.#bytes = 0;
      if (line !== '') this.#take(JSON.parse(line));
      from = end + 1;
    }
  }
}

export const line = (value: object): string => `${JSON.stringify(value)}\n`;
