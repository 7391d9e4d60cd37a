import { Wallet } from 'ethers';
import { describe, expect, it } from 'vitest';
import { recoverAddress } from '../../gateway/http/web/client/proof/recover.ts';

describe('whose key made a signature', () => {
  it('agrees with ethers', () => {
    for (let n = 1; n <= 12; n++) {
      const wallet = new Wallet(`0x${(n * 7919).toString(16).padStart(64, '0')}`);
      const digest = new Uint8Array(32).fill(n);
      expect(recoverAddress(digest, wallet.signingKey.sign(digest).serialized)).toBe(
        wallet.address.toLowerCase(),
      );
    }
  });
});
