import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { JsChain } from './js-chain.ts';
import { serveRpc } from './js-rpc.ts';

/**
 * Entry of the fallback chain's process: PORT CHAIN-ID LOG. Every change is one line of LOG, written before it is
 * answered; a restart replays them, so the chain comes back as it was.
 */
const [port, chainId, log] = process.argv.slice(2);
if (!port || !chainId || !log) throw new Error('usage: ethereumjs PORT CHAIN-ID LOG');

const chain = await JsChain.create(Number(chainId));
if (existsSync(log)) {
  for (const line of readFileSync(log, 'utf8').split('\n')) if (line) await chain.replay(line);
}
chain.onChange((line) => appendFileSync(log, `${line}\n`));

const server = createServer(serveRpc(chain));
server.listen(Number(port), '127.0.0.1');
process.once('SIGTERM', () => process.exit(0));
