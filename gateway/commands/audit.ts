import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import { openStoreReader } from '../store/reader.ts';
import type { AuditRow } from '../store/types.ts';
import { findApi } from './api.ts';
import type { Command } from './command.ts';
import { count } from './ui/format.ts';
import { table } from './ui/table.ts';

/** `audit`: the accounting identity per stream, from the running gateway or its database. */
export const audit: Command = {
  name: 'audit',
  summary: 'accepted = forwarded + pending + expired + rejected, for every stream; exit 1 if not',
  usage: ['audit [--config FILE] [--json]'],
  help: 'Works with the gateway running or stopped.',
  async run(context) {
    const { config } = context.config({ quiet: true, checkFiles: false });
    const api = findApi(config.gateway.dataDir);
    const rows = api ? ((await api.get('/api/v1/audit')) as AuditRow[]) : await auditFile(config);
    const holds = rows.every((row) => row.holds);
    const { green, red } = context.ui.style;
    context.print({ holds, streams: rows }, () =>
      [
        table(rows, [
          { title: 'STREAM', value: (r) => r.stream },
          { title: 'ACCEPTED', value: (r) => count(r.accepted), align: 'right' },
          { title: 'FORWARDED', value: (r) => count(r.forwarded), align: 'right' },
          { title: 'PENDING', value: (r) => count(r.pending), align: 'right' },
          { title: 'EXPIRED', value: (r) => count(r.expired), align: 'right' },
          { title: 'REJECTED', value: (r) => count(r.rejected), align: 'right' },
          { title: '', value: (r) => (r.holds ? green('holds') : red('does not hold')) },
        ]),
        '',
        holds
          ? green('the identity holds for every stream')
          : red('the identity does not hold: please report this'),
      ].join('\n'),
    );
    return holds ? 0 : 1;
  },
};

/** Reads the database of a stopped gateway without changing it. */
async function auditFile({ gateway, streams }: Config): Promise<AuditRow[]> {
  const file = join(gateway.dataDir, 'gateway.db');
  if (!existsSync(file)) {
    throw new GatewayError('FILE_MISSING', 'there is no database yet: this gateway has never run', {
      received: file,
      fix: 'Run `aimx-gateway start` first.',
    });
  }
  const reader = await openStoreReader(gateway.dataDir);
  try {
    return reader.audit(streams.map(({ id }) => id));
  } finally {
    reader.close();
  }
}
