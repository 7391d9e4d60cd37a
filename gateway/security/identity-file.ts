import { readFileSync, statSync } from 'node:fs';
import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { storedSecret } from './secrets.ts';

/** `device`: its own readings. `integrator`: all streams and devices (Node-RED, a historian). */
export const deviceRole = z.enum(['device', 'integrator']);
export type DeviceRole = z.output<typeof deviceRole>;
/** `admin`: everything. `viewer`: reading only. */
export const personRole = z.enum(['admin', 'viewer']);
export type PersonRole = z.output<typeof personRole>;

const deviceIdentity = z.strictObject({
  name: z.string(),
  role: deviceRole,
  secret: storedSecret,
  createdAt: z.number(),
});
const personIdentity = z.strictObject({
  name: z.string(),
  role: personRole,
  secret: storedSecret,
  createdAt: z.number(),
});
const apiToken = z.strictObject({
  id: z.string(),
  name: z.string(),
  role: personRole,
  secret: storedSecret,
  createdAt: z.number(),
});

export type DeviceIdentity = z.output<typeof deviceIdentity>;
export type PersonIdentity = z.output<typeof personIdentity>;
export type ApiToken = z.output<typeof apiToken>;

const fileSchema = z.strictObject({
  version: z.literal(1),
  devices: z.array(deviceIdentity),
  people: z.array(personIdentity),
  tokens: z.array(apiToken),
});
export type IdentityFile = z.output<typeof fileSchema>;

/** @throws GatewayError IDENTITY_FILE when it is damaged, or others may read it */
export function readIdentityFile(file: string): IdentityFile {
  const mode = statSync(file).mode & 0o077;
  if (mode !== 0 && process.platform !== 'win32') {
    throw new GatewayError('IDENTITY_FILE', `others may read ${file}`, {
      expected: 'mode 0600',
      fix: `chmod 0600 ${file}`,
    });
  }
  const result = fileSchema.safeParse(parse(readFileSync(file, 'utf8'), file));
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  throw new GatewayError('IDENTITY_FILE', `${file} is damaged at ${issue.path.join('.')}: ${issue.message}`);
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GatewayError('IDENTITY_FILE', `${file} is not JSON`, { cause: error });
  }
}
