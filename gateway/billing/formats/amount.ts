/** Decimals of the token: an amount counts 10⁻¹⁸ of it. */
const DECIMALS = 18;

/** An amount in whole tokens, exact: `1500000000000000000` is `1.5`. */
export function aimx(units: string): string {
  const digits = units.padStart(DECIMALS + 1, '0');
  const fraction = digits.slice(-DECIMALS).replace(/0+$/, '');
  return fraction ? `${digits.slice(0, -DECIMALS)}.${fraction}` : digits.slice(0, -DECIMALS);
}

/** Reads whole tokens as written by people, `1.5`, into the smallest unit; undefined when it is no such number. */
export function parseAimx(text: string): bigint | undefined {
  const match = /^(\d{1,20})(?:\.(\d{1,18}))?$/.exec(text.trim());
  return match ? BigInt(match[1]! + (match[2] ?? '').padEnd(DECIMALS, '0')) : undefined;
}
