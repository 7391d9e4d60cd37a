import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/**
 * Compiles the contracts with the npm build of solc: no download, the same bytes on every machine.
 * `node deploy/contracts/compile.ts` writes `artifacts/`; a test compares them with a fresh compilation.
 */

const require = createRequire(import.meta.url);
const folder = new URL('./', import.meta.url);

/** Contracts that are deployed, each in the file of its name. */
const CONTRACTS = ['AIMX', 'EdgeLedger'] as const;

interface Compiler {
  version(): string;
  compile(
    input: string,
    callbacks: { import(path: string): { contents: string } | { error: string } },
  ): string;
}

interface Output {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
  readonly contracts: Readonly<
    Record<string, Readonly<Record<string, { abi: unknown[]; evm: { bytecode: { object: string } } }>>>
  >;
}

/** File name → contents of each artefact. Throws with the compiler's words, warnings included. */
export function compileContracts(): Map<string, string> {
  const solc = require('solc') as Compiler;
  const sources = Object.fromEntries(
    CONTRACTS.map((name) => [
      `${name}.sol`,
      { content: readFileSync(new URL(`${name}.sol`, folder), 'utf8') },
    ]),
  );
  const settings = {
    evmVersion: 'cancun', // the oldest that OpenZeppelin 5.7 compiles for
    optimizer: { enabled: true, runs: 1_000_000 },
    viaIR: true,
    metadata: { bytecodeHash: 'none' }, // so that a moved comment does not change the deployed bytes
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
  };
  const input = JSON.stringify({ language: 'Solidity', sources, settings });
  const output = JSON.parse(solc.compile(input, { import: readImport })) as Output;
  if (output.errors?.length) throw new Error(output.errors.map((e) => e.formattedMessage).join('\n'));
  return new Map(
    CONTRACTS.map((name) => {
      const { abi, evm } = output.contracts[`${name}.sol`]![name]!;
      const artefact = {
        contract: name,
        compiler: solc.version(),
        abi,
        bytecode: `0x${evm.bytecode.object}`,
      };
      return [`${name}.json`, `${JSON.stringify(artefact, null, 2)}\n`];
    }),
  );
}

function readImport(path: string): { contents: string } | { error: string } {
  try {
    const file = path.startsWith('@') ? require.resolve(path) : new URL(path, folder);
    return { contents: readFileSync(file, 'utf8') };
  } catch (error) {
    return { error: String(error) };
  }
}

if (import.meta.main) {
  for (const [file, contents] of compileContracts()) {
    writeFileSync(new URL(`artifacts/${file}`, folder), contents);
    console.log(`deploy/contracts/artifacts/${file}`);
  }
}
