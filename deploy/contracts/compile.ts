import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/**
 * Compiles the contracts with the npm build of solc: no download, the same bytes on every machine.
 * `node deploy/contracts/compile.ts` writes `artifacts/`; a test compares them with a fresh compilation.
 */

const require = createRequire(import.meta.url);
const folder = new URL('./', import.meta.url);

/** Contracts that are deployed, each in the file of its name. */
const CONTRACTS = ['AIMX', 'EdgeLedger', 'GatewayDirectory', 'BenchmarkRegistry'] as const;
/** Tokens that only tests deploy, and where their sources and artefacts are. */
const TEST_CONTRACTS = ['FeeToken', 'ReentrantToken'] as const;
const TEST_FOLDER = new URL('../../test/contracts-evm/', folder);

/** Warning that transient storage can be used wrongly; OpenZeppelin's reentrancy guard is what it says is safe. */
const TRANSIENT_STORAGE = '2394';

interface Compiler {
  version(): string;
  compile(
    input: string,
    callbacks: { import(path: string): { contents: string } | { error: string } },
  ): string;
}

interface Output {
  readonly errors?: readonly { readonly errorCode: string; readonly formattedMessage: string }[];
  readonly contracts: Readonly<
    Record<string, Readonly<Record<string, { abi: unknown[]; evm: { bytecode: { object: string } } }>>>
  >;
}

/** Place → contents of each artefact. Throws with the compiler's words, warnings included. */
export function compileContracts(): Map<string, string> {
  const solc = require('solc') as Compiler;
  const places = [
    ...CONTRACTS.map((name) => ({ name, source: folder, artefact: new URL('artifacts/', folder) })),
    ...TEST_CONTRACTS.map((name) => ({ name, source: TEST_FOLDER, artefact: TEST_FOLDER })),
  ];
  const sources = Object.fromEntries(
    places.map(({ name, source }) => [
      `${name}.sol`,
      { content: readFileSync(new URL(`${name}.sol`, source), 'utf8') },
    ]),
  );
  const settings = {
    evmVersion: 'cancun', // the oldest that OpenZeppelin 5.7 compiles for
    optimizer: { enabled: true, runs: 1_000_000 },
    viaIR: false, // its linear dispatch costs each call some 700 gas with this many functions
    metadata: { bytecodeHash: 'none' }, // so that a moved comment does not change the deployed bytes
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
  };
  const input = JSON.stringify({ language: 'Solidity', sources, settings });
  const output = JSON.parse(solc.compile(input, { import: readImport })) as Output;
  const problems = output.errors?.filter(({ errorCode }) => errorCode !== TRANSIENT_STORAGE) ?? [];
  if (problems.length > 0) throw new Error(problems.map((e) => e.formattedMessage).join('\n'));
  return new Map(
    places.map(({ name, artefact }) => {
      const { abi, evm } = output.contracts[`${name}.sol`]![name]!;
      const contents = {
        contract: name,
        compiler: solc.version(),
        abi,
        bytecode: `0x${evm.bytecode.object}`,
      };
      return [new URL(`${name}.json`, artefact).pathname, `${JSON.stringify(contents, null, 2)}\n`];
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
    writeFileSync(file, contents);
    console.log(file);
  }
}
