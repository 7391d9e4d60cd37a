import type { Command } from './command.ts';

/** A command as `--help` knows it; the rest is loaded when it runs. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(): Promise<Command>;
}

/** Every command, in the order of `--help`. One line each. */
export const COMMANDS: readonly CommandEntry[] = [
  entry(
    'init',
    'write a configuration, keys, a certificate and the first login',
    async () => (await import('./init.ts')).init,
  ),
  entry(
    'check',
    'validate the configuration; --explain prints the plan',
    async () => (await import('./check.ts')).check,
  ),
  entry('start', 'run the gateway', async () => (await import('./start.ts')).start),
  entry(
    'demo',
    'run everything on this machine: gateway, simulated home and plant, upstream and chain',
    async () => (await import('./demo.ts')).demo,
  ),
  entry(
    'status',
    'what is running, with rates, backlogs and alarms',
    async () => (await import('./status.ts')).status,
  ),
  entry('alarms', 'what needs a person: list, acknowledge', async () => (await import('./alarms.ts')).alarms),
  entry(
    'doctor',
    'what is wrong, and the command that mends it',
    async () => (await import('./doctor.ts')).doctor,
  ),
  entry(
    'devices',
    'identities of devices: add, list, revoke, import',
    async () => (await import('./devices.ts')).devices,
  ),
  entry(
    'people',
    'who may log in: add, list, remove, password',
    async () => (await import('./people.ts')).people,
  ),
  entry(
    'tokens',
    'long-lived tokens of the HTTP API: add, list, revoke',
    async () => (await import('./tokens.ts')).tokens,
  ),
  entry(
    'models',
    'model bundles and their versions: add, verify, sign, promote, rollback …',
    async () => (await import('./models.ts')).models,
  ),
  entry(
    'flows',
    'Node-RED flows: status, list, show, restore, restart',
    async () => (await import('./flows.ts')).flows,
  ),
  entry('replay', 'feed recorded data through a real door', async () => (await import('./replay.ts')).replay),
  entry(
    'audit',
    'the accounting identity of every stream; exit 1 if it does not hold',
    async () => (await import('./audit.ts')).audit,
  ),
  entry(
    'receipts',
    'what was billed: list, show, verify, export',
    async () => (await import('./receipts.ts')).receipts,
  ),
  entry(
    'ledger',
    'billing and the chain: status, quote, rate, deploy',
    async () => (await import('./ledger.ts')).ledger,
  ),
  entry(
    'directory',
    'gateways on the chain: list the nearest, publish or remove this one',
    async () => (await import('./directory.ts')).directory,
  ),
  entry(
    'payer',
    'pay gateways for inference: open, deposit, run, limits, status …',
    async () => (await import('./payer.ts')).payer,
  ),
  entry(
    'bench',
    'measure this hardware with the installed models; compare, verify, publish, list',
    async () => (await import('./bench.ts')).bench,
  ),
];

function entry(name: string, summary: string, load: () => Promise<Command>): CommandEntry {
  return { name, summary, load };
}
