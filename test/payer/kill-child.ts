import { noteSetting } from '../../gateway/payer/books/settings.ts';
import { Books, readChannel, receive, signAck, signCeiling } from '../../gateway/payer/index.ts';
import { CHANNEL, headOf, SESSION, Seller } from './seller.ts';
import { bought, FLAT, NOW, openBooks } from './setting.ts';

/**
 * A payer that buys, checks, acknowledges and raises its ceiling, prints each signature once it has it, and kills itself with SIGKILL at the
 * N-th statement that goes to its database.
 */
const [folder, at, uses] = process.argv.slice(2) as [string, string, string];
let left = Number(at);
for (const name of ['run', 'one', 'all'] as const) {
  const inner = Books.prototype[name] as (...args: unknown[]) => unknown;
  Object.defineProperty(Books.prototype, name, {
    value(this: Books, ...args: unknown[]) {
      if (--left === 0) process.kill(process.pid, 'SIGKILL');
      const result = inner.apply(this, args);
      if (left === 1) {
        left = 0;
        process.kill(process.pid, 'SIGKILL');
      }
      return result;
    },
  });
}

const say = (kind: string, document: { readonly signature: Uint8Array }, key: string): void =>
  console.log(`${kind} ${key} ${Buffer.from(document.signature).toString('hex')}`);
const books = openBooks(folder);
const seller = new Seller(FLAT);
for (let i = 1; i <= Number(uses); i++) {
  const sold = seller.sell(`r-${i}`);
  if (readChannel(books, CHANNEL).seq >= i) continue;
  const ceiling = signCeiling(books, SESSION, CHANNEL, { window: 200n, validForMs: 86_400_000, now: NOW });
  say('ceiling', ceiling, `${ceiling.maxCumulative}/${ceiling.validUntil}`);
  bought(books, sold);
  receive(books, { ...sold.evidence, head: headOf(sold.evidence) }, NOW, { takeUnknown: false });
  const ack = signAck(books, SESSION, CHANNEL, NOW)!;
  say('ack', ack, String(ack.seq));
  noteSetting(books, 'last', String(i));
}
// The one before may have been killed between the last receipt and its acknowledgement.
const last = signAck(books, SESSION, CHANNEL, NOW)!;
say('ack', last, String(last.seq));
const { seq, cumulative, ackedSeq, refusal } = readChannel(books, CHANNEL);
console.log(`end ${seq} ${cumulative} ${ackedSeq} ${refusal?.code ?? 'none'}`);
