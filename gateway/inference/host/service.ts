import { GatewayError } from '../../errors.ts';
import type { ModelRunner } from '../../ports/model-runner.ts';
import type { Tensor } from '../../ports/tensor.ts';
import {
  align,
  CONTROL,
  type FrameHeader,
  HEADER_BYTES,
  isWanted,
  jsonBody,
  jsonFrame,
  OK,
  RUN,
  writeHeader,
} from '../frames.ts';
import type { ModelPlan } from '../plan.ts';
import { readTensor, tensorBytes, writeTensor } from '../tensor-data.ts';
import type { Channel } from './channel.ts';
import { type BatchResult, Engine } from './engine.ts';
import { loadModel, prepareFor, runnerOf } from './load.ts';
import { forgetPeak, peakBytes } from './memory.ts';

/** What the core asks besides running batches. */
export type Control =
  | { readonly op: 'load'; readonly handle: number; readonly plan: ModelPlan }
  | { readonly op: 'unload'; readonly handle: number }
  /** Names, datatypes and shapes of a model file, without keeping it. */
  | { readonly op: 'inspect'; readonly runtime: string; readonly file: string }
  | { readonly op: 'stats' };

/**
 * Replies go out together, at the latest this long after they are ready: each write wakes the core, which must have sent
 * more before this process has done the rest.
 */
const HOLD_MS = 0.5;

/** Answers frames, one at a time. What it throws or rejects with becomes the answer. */
export class Service {
  readonly #runners: ReadonlyMap<string, ModelRunner>;
  readonly #channel: Channel;
  readonly #engines = new Map<number, Engine>();
  #flushed = 0;

  constructor(runners: ReadonlyMap<string, ModelRunner>, channel: Channel) {
    this.#runners = runners;
    this.#channel = channel;
  }

  /** Answers a frame; returns nothing when that is done, which small models are too quick to make a promise for. */
  handle(header: FrameHeader, frame: Uint8Array): Promise<void> | undefined {
    if (header.kind === RUN) return this.#run(header, frame);
    if (header.kind !== CONTROL) throw new GatewayError('INTERNAL', `a frame of kind ${header.kind}`);
    return this.#answer(header, frame);
  }

  async #answer(header: FrameHeader, frame: Uint8Array): Promise<void> {
    const reply = await this.#control(jsonBody(frame) as Control);
    this.#channel.send(jsonFrame(CONTROL, header.id, OK, reply));
  }

  async #control(request: Control): Promise<unknown> {
    switch (request.op) {
      case 'load': {
        await prepareFor(request.plan);
        forgetPeak();
        const before = process.memoryUsage.rss();
        const model = await loadModel(request.plan);
        try {
          this.#engines.set(request.handle, new Engine(request.plan, model));
        } catch (error) {
          await model.dispose();
          throw error;
        }
        return { before, peak: peakBytes() };
      }
      case 'unload': {
        const engine = this.#engines.get(request.handle);
        this.#engines.delete(request.handle);
        await engine?.dispose();
        return {};
      }
      case 'inspect': {
        const model = await runnerOf(this.#runners, request.runtime).load(request.file);
        const specs = { inputs: model.inputs, outputs: model.outputs };
        await model.dispose();
        return specs;
      }
      case 'stats':
        return { rss: process.memoryUsage.rss(), models: this.#engines.size };
    }
  }

  #run(header: FrameHeader, frame: Uint8Array): Promise<void> | undefined {
    const engine = this.#engines.get(header.handle);
    if (!engine) throw new GatewayError('INTERNAL', `no model has handle ${header.handle}`);
    let begin = performance.now();
    if (engine.lastMs > HOLD_MS) {
      this.#flush(begin);
      begin = performance.now();
    }
    const { plan } = engine;
    const { buffer } = frame;
    let offset = frame.byteOffset + HEADER_BYTES;
    const given: Tensor[] = [];
    for (let i = 0; i < header.tensors; i++) {
      const { tensor, end } = readTensor(buffer, offset);
      given.push(tensor);
      offset = end;
    }
    const slots: Float32Array[] = [];
    for (const { size } of plan.slots) {
      const values = new Float32Array(buffer, offset, header.items * size);
      slots.push(values);
      offset += align(values.byteLength);
    }
    const result = engine.run(given, header.items, slots);
    if (!(result instanceof Promise)) {
      this.#reply(header, engine, result, begin);
      return undefined;
    }
    return result.then((late) => this.#reply(header, engine, late, begin));
  }

  #reply(header: FrameHeader, engine: Engine, { results, slots }: BatchResult, begin: number): void {
    engine.lastMs = performance.now() - begin;
    let length = HEADER_BYTES;
    let tensors = 0;
    for (let i = 0; i < results.length; i++) {
      if (!isWanted(header.wanted, i)) continue;
      length += tensorBytes(results[i]!);
      tensors++;
    }
    for (const slot of slots) length += align(slot.byteLength);
    const { buffer, offset } = this.#channel.reserve(length);
    let at = offset + HEADER_BYTES;
    for (let i = 0; i < results.length; i++) {
      if (isWanted(header.wanted, i)) at = writeTensor(buffer, at, i, results[i]!);
    }
    for (const slot of slots) {
      new Float32Array(buffer, at, slot.length).set(slot);
      at += align(slot.byteLength);
    }
    const now = performance.now();
    writeHeader(buffer, offset, length, { ...header, status: OK, tensors }, (now - begin) * 1000);
    if (now - this.#flushed > HOLD_MS) this.#flush(now);
  }

  #flush(now: number): void {
    this.#channel.flush();
    this.#flushed = now;
  }
}
