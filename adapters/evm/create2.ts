import { readFileSync } from 'node:fs';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { encodeValues } from './abi.ts';

/**
 * Where contracts go: addresses that follow from their code alone (EIP-1014), the same on every chain, by the deterministic
 * deployment proxy that most chains have (https://github.com/Arachnid/deterministic-deployment-proxy). Its transaction was signed by nobody:
 * the signature was made up, and the key that fits it is known to no one, so it works on any chain that takes transactions without a chain id.
 */
export const PROXY = {
  address: '0x4e59b44847b379578588920ca78fbf26c0b4956c',
  /** Who pays for the proxy's own creation. */
  deployer: '0x3fab184622dc19b6109349b94811493bf2a45362',
  /** 100,000 gas at 100 gwei. */
  cost: 10n ** 16n,
  transaction:
    '0xf8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba02222222222222222222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222222222',
  code: '0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3',
} as const;

export type ContractName = 'AIMX' | 'EdgeLedger' | 'GatewayDirectory' | 'BenchmarkRegistry';

/** A contract that is to be created: its address, and the proxy's call data that creates it. */
export interface Creation {
  readonly contract: ContractName;
  readonly address: string;
  readonly data: Uint8Array;
}

/** One salt for all contracts: another version of a contract has other code and so another address. */
const SALT = keccak_256(Buffer.from('AIMX edge gateway'));
const NOBODY = `0x${'0'.repeat(40)}`;

/**
 * What is deployed, in order. The token is missing when there is one already; nobody may stop deposits on the ledger.
 * @param treasury receives the supply of a token that is deployed
 */
export function planOf(treasury: string, token?: string): Creation[] {
  const ledger = creation('EdgeLedger', encodeValues('(address)', NOBODY));
  return [
    ...(token === undefined ? [creation('AIMX', encodeValues('(address)', treasury))] : []),
    ledger,
    creation('GatewayDirectory', encodeValues('(address)', ledger.address)),
    creation('BenchmarkRegistry', ''),
  ];
}

function creation(contract: ContractName, constructorArguments: string): Creation {
  const code = Buffer.from(creationCode(contract).slice(2) + constructorArguments, 'hex');
  const address = create2Address(PROXY.address, SALT, code);
  return { contract, address, data: Buffer.concat([SALT, code]) };
}

/** EIP-1014: last 20 bytes of keccak(0xff ‖ creator ‖ salt ‖ keccak(creation code)). */
export function create2Address(creator: string, salt: Uint8Array, code: Uint8Array): string {
  const bytes = [Uint8Array.of(0xff), Buffer.from(creator.slice(2), 'hex'), salt, keccak_256(code)];
  return `0x${Buffer.from(keccak_256(Buffer.concat(bytes)).subarray(12)).toString('hex')}`;
}

/** Creation code of a contract, as committed in deploy/contracts/artifacts. */
function creationCode(contract: ContractName): string {
  const file = new URL(`../../deploy/contracts/artifacts/${contract}.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { bytecode: string }).bytecode;
}
