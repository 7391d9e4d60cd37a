/** Something that a gateway, or the way to it, refused: with the gateway's own code where it gave one. */
export class GatewayProblem extends Error {
  readonly code: string;
  /** HTTP status, where there was one. */
  readonly status: number | undefined;

  constructor(code: string, message: string, status?: number) {
    super(message);
    this.name = 'GatewayProblem';
    this.code = code;
    this.status = status;
  }
}

export const asError = (cause: unknown): Error => (cause instanceof Error ? cause : new Error(String(cause)));
