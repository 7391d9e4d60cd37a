import { open } from 'node:fs/promises';
import { GatewayError } from '../../gateway/errors.ts';

/**
 * Reads a secret from a file that only its owner may read; a final line break does not belong to it.
 * @throws GatewayError SECRET_FILE
 */
export async function readSecret(path: string): Promise<string> {
  try {
    const file = await open(path, 'r');
    try {
      const { mode } = await file.stat();
      if ((mode & 0o077) !== 0)
        throw new GatewayError('SECRET_FILE', `${path} may be read by others`, {
          received: `mode 0${(mode & 0o777).toString(8)}`,
          expected: 'mode 0600 or 0400',
          fix: `chmod 0600 ${path}`,
        });
      return (await file.readFile('utf8')).replace(/\r?\n$/, '');
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError('SECRET_FILE', `cannot read ${path}`, { received: path, cause });
  }
}
