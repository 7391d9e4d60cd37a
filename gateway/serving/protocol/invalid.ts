import { type ErrorCode, GatewayError } from '../../errors.ts';

/** What is wrong with a request. */
export const invalid = (message: string, code: ErrorCode = 'REQUEST_INVALID'): GatewayError =>
  new GatewayError(code, message);
