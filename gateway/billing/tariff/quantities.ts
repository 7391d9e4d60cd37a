/** What can be charged for. Quantities are whole numbers below 2^53. */
export const QUANTITIES = [
  'inference',
  'compute_us',
  'byte_in',
  'byte_out',
  'token',
  'energy_mWh',
  'rent_s',
] as const;

export type Quantity = (typeof QUANTITIES)[number];
export type Quantities = Readonly<Partial<Record<Quantity, number>>>;
