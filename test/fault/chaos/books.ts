import { DatabaseSync } from 'node:sqlite';

/** What the payer's books say, read while it runs or after it was killed. */
export interface PayerBooks {
  readonly id: string;
  readonly seq: number;
  readonly cumulative: bigint;
  readonly hash: string;
  readonly acked: number;
  readonly ackedCumulative: bigint;
  readonly ceiling: bigint;
  readonly balance: bigint;
  readonly refusal: string | null;
  readonly answered: number;
  readonly billed: number;
  readonly open: number;
  /** Sum of what final deposits have brought, and how many payments are not over. */
  readonly deposited: bigint;
  readonly unpaid: number;
}

export function readPayerBooks(path: string): PayerBooks {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
  try {
    const one = <T>(sql: string): T => db.prepare(sql).get() as T;
    const channel = one<Record<string, string | number> & { id: Uint8Array; hash: Uint8Array }>(
      'SELECT * FROM payer_channels',
    );
    const count = (sql: string): number => one<{ n: number }>(`SELECT count(*) AS n FROM ${sql}`).n;
    const deposits = db
      .prepare("SELECT action FROM payer_payments WHERE state = 'FINAL' AND action LIKE '%deposit%'")
      .all() as { action: string }[];
    const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;
    return {
      id: hex(channel.id),
      seq: Number(channel.seq),
      cumulative: BigInt(channel.cumulative!),
      hash: hex(channel.hash),
      acked: Number(channel.acked_seq),
      ackedCumulative: BigInt(channel.acked_cumulative!),
      ceiling: BigInt(channel.ceiling!),
      balance: BigInt(channel.balance!),
      refusal: channel.refusal as string | null,
      answered: count('payer_requests WHERE answer_sha IS NOT NULL'),
      billed: count('payer_requests WHERE billed = 1'),
      open: count('payer_requests WHERE answered_at IS NULL'),
      deposited: deposits
        .map(({ action }) => BigInt((JSON.parse(action) as { amount: { $amount: string } }).amount.$amount))
        .reduce((sum, amount) => sum + amount, 0n),
      unpaid: count("payer_payments WHERE state IN ('PLANNED', 'SENT', 'MINED')"),
    };
  } finally {
    db.close();
  }
}
