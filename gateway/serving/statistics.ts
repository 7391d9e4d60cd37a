import type { TensorAnswer } from '../ports/inference.ts';

/** Requests of one version of a model since the start. Times in microseconds. */
export interface ModelFigures {
  success: number;
  fail: number;
  queueUs: number;
  computeUs: number;
  /** Epoch ms of the last one. */
  last: number;
}

/** What requests from outside did with each model: as many entries as versions are installed. */
export class Statistics {
  readonly #models = new Map<string, ModelFigures>();

  note(answer: TensorAnswer, now: number): void {
    if (!answer.model) return;
    const figures = this.of(answer.model.name, answer.model.version);
    figures.last = now;
    if (!answer.ok) figures.fail++;
    else {
      figures.success++;
      figures.queueUs += answer.queueUs;
      figures.computeUs += answer.computeUs;
    }
    this.#models.set(`${answer.model.name}@${answer.model.version}`, figures);
  }

  of(name: string, version: string): ModelFigures {
    return (
      this.#models.get(`${name}@${version}`) ?? { success: 0, fail: 0, queueUs: 0, computeUs: 0, last: 0 }
    );
  }
}
