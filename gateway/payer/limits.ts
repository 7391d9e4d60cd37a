/** What a payer's owner allows it to sign. Pure. */

/** `hour`: any 60 minutes · `total`: ever · `gateway` (by device address) and `model` (by name): ever, each. */
export type LimitScope = 'hour' | 'total' | 'gateway' | 'model';

export interface Limit {
  readonly scope: LimitScope;
  /** Device address or model; empty for `hour` and `total`. */
  readonly name: string;
  readonly amount: bigint;
}

/** What was signed away so far: by how much ceilings were raised. */
export interface Committed {
  readonly hour: bigint;
  readonly total: bigint;
  /** Over all channels with the gateway in question. */
  readonly gateway: bigint;
}

export const HOUR_MS = 3_600_000;

export interface Room {
  /** By how much a ceiling may be raised; undefined: nothing limits it. */
  readonly left: bigint | undefined;
  /** The limit that leaves the least. */
  readonly by: Limit | undefined;
}

/** How much more may be committed to a gateway. Never below 0, also where a limit was lowered afterwards. */
export function roomOf(limits: readonly Limit[], device: string, committed: Committed): Room {
  let room: Room = { left: undefined, by: undefined };
  for (const limit of limits) {
    if (limit.scope === 'model') continue;
    if (limit.scope === 'gateway' && limit.name !== device.toLowerCase()) continue;
    const rest = limit.amount - committed[limit.scope];
    const left = rest > 0n ? rest : 0n;
    if (room.left === undefined || left < room.left) room = { left, by: limit };
  }
  return room;
}

/** The limit of a model that `more` would break; undefined when it fits. */
export function modelLimit(
  limits: readonly Limit[],
  model: string,
  spent: bigint,
  more: bigint,
): Limit | undefined {
  return limits.find(
    ({ scope, name, amount }) => scope === 'model' && name === model && spent + more > amount,
  );
}

/** `the limit of 5 per hour`, for messages; amounts in the token's smallest unit become whole tokens. */
export function limitText({ scope, name, amount }: Limit, tokens: (units: bigint) => string): string {
  const what = {
    hour: 'per hour',
    total: 'in total',
    gateway: `for gateway ${name}`,
    model: `for model ${name}`,
  };
  return `the limit of ${tokens(amount)} AIMX ${what[scope]}`;
}
