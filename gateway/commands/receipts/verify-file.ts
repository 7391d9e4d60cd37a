import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { verifyExport } from '../../billing/receipts/verify-export.ts';
import type { CommandContext, ExitCode } from '../command.ts';
import { count } from '../ui/format.ts';
import { lookOnChain, onChainText } from './on-chain.ts';

/** Whether a file holds more than one proof. */
export function isExport(file: string): boolean {
  const chunk = Buffer.alloc(64 * 1024);
  const handle = openSync(file, 'r');
  try {
    for (let place = 0; ; ) {
      const read = readSync(handle, chunk, 0, chunk.length, place);
      const end = chunk.subarray(0, read).indexOf(0x0a);
      // More than a line end behind the first line: a second proof.
      if (end >= 0) return readSync(handle, chunk, 0, 1, place + end + 1) === 1;
      if (read === 0) return false;
      place += read;
    }
  } finally {
    closeSync(handle);
  }
}

/** `receipts verify FILE` for a file of proofs. */
export async function verifyFile(context: CommandContext, file: string): Promise<ExitCode> {
  const lines = createInterface({ input: createReadStream(file), crlfDelay: 0 });
  const verdict = await verifyExport(lines);
  const rpc = context.option('rpc');
  const chain = rpc && verdict.kind !== 'invalid' ? await lookOnChain(rpc, verdict.batches) : undefined;
  const kind = chain?.missing ? 'invalid' : verdict.kind;
  const { green, red, yellow } = context.ui.style;
  context.print({ ...verdict, kind, ...(chain ? { chain } : {}) }, () => {
    if (verdict.problem) return red(`invalid: line ${verdict.problem.line}: ${verdict.problem.reason}`);
    if (chain?.missing) return red(`invalid: ${onChainText(chain)}`);
    const what = `${count(verdict.receipts)} receipts of ${count(verdict.channels)} channels, none missing between${chain ? `, ${count(chain.found.length)} batches on the chain` : ''}`;
    return verdict.kind === 'valid'
      ? green(`valid: ${what}`)
      : yellow(`incomplete: ${what}; ${count(verdict.incomplete)} not in a final batch yet`);
  });
  return ({ valid: 0, invalid: 1, incomplete: 2 } as const)[kind];
}
