const DECIMALS = 18;

/** A decimal text in the smallest unit. @throws SyntaxError when it is none */
function unitsOf(text: string): bigint {
  const [whole = '0', part = ''] = text.split('.');
  return BigInt(whole + part.padEnd(DECIMALS, '0').slice(0, DECIMALS));
}

/** The sum of amounts of a token with 18 decimals, exact, as a decimal text without needless zeros. */
export function sumOf(amounts: readonly string[]): string {
  const digits = String(amounts.reduce((sum, text) => sum + unitsOf(text), 0n)).padStart(DECIMALS + 1, '0');
  const part = digits.slice(-DECIMALS).replace(/0+$/, '');
  return digits.slice(0, -DECIMALS) + (part === '' ? '' : `.${part}`);
}
