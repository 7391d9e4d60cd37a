import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openReceiptFile, type ReceiptReader } from '../../billing/receipts/receipts.ts';
import { GatewayError } from '../../errors.ts';
import type { CommandContext } from '../command.ts';

/** Opens the database of the gateway for reading while `use` works. Rejects with FILE_MISSING when it never ran. */
export async function withReader<T>(
  context: CommandContext,
  use: (reader: ReceiptReader) => Promise<T>,
): Promise<T> {
  const { config } = context.config({ quiet: true, checkFiles: false });
  const file = join(config.gateway.dataDir, 'gateway.db');
  if (!existsSync(file)) {
    throw new GatewayError('FILE_MISSING', 'there are no receipts: this gateway has never run', {
      received: file,
    });
  }
  const reader = openReceiptFile(file);
  try {
    return await use(reader);
  } finally {
    reader.close();
  }
}
