import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { temporaryFolder } from '../support/tmp.ts';
import { type OpenChain, openChain, type TestChain } from './open-chain.ts';

export { abiOf, revertOf, type TestChain } from './open-chain.ts';

/** A fresh chain of one kind for one test. */
export async function testChain(engine: 'anvil' | 'ethereumjs'): Promise<TestChain> {
  const chain = await openChain(engine, temporaryFolder());
  onTestFinished(() => chain.close());
  return chain;
}

/** One chain for all tests of a `describe`: each deploys contracts of its own. Its time only goes forward. */
export function sharedChain(engine: 'anvil' | 'ethereumjs'): () => TestChain {
  let chain: OpenChain;
  const dir = mkdtempSync(join(tmpdir(), 'aimx-chain-'));
  beforeAll(async () => {
    chain = await openChain(engine, dir);
  });
  afterAll(async () => {
    await chain?.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return () => chain;
}
