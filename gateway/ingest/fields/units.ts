/**
 * SenML units (RFC 8428 §12.1) and secondary units (RFC 8798, registry "SenML Secondary Units"), grouped by the
 * primary unit: `primary = value × scale + offset`. Units that are not listed convert to themselves only.
 */
const SECONDARY: Readonly<Record<string, readonly [primary: string, scale: number, offset?: number]>> = {
  ms: ['s', 1e-3],
  us: ['s', 1e-6],
  min: ['s', 60],
  h: ['s', 3600],
  d: ['s', 86400],
  MHz: ['Hz', 1e6],
  kHz: ['Hz', 1e3],
  GHz: ['Hz', 1e9],
  kW: ['W', 1e3],
  mW: ['W', 1e-3],
  MW: ['W', 1e6],
  kVA: ['VA', 1e3],
  kvar: ['var', 1e3],
  Ah: ['C', 3600],
  Wh: ['J', 3600],
  kWh: ['J', 3.6e6],
  kJ: ['J', 1e3],
  MJ: ['J', 1e6],
  varh: ['vars', 3600],
  kvarh: ['vars', 3.6e6],
  kVAh: ['VAs', 3.6e6],
  VAh: ['VAs', 3600],
  'Wh/km': ['J/m', 3.6],
  KiB: ['B', 1024],
  GB: ['B', 1e9],
  'Mbit/s': ['bit/s', 1e6],
  'B/s': ['bit/s', 8],
  'MB/s': ['bit/s', 8e6],
  mV: ['V', 1e-3],
  kV: ['V', 1e3],
  mA: ['A', 1e-3],
  uA: ['A', 1e-6],
  dBm: ['dBW', 1, -30],
  'ug/m3': ['kg/m3', 1e-9],
  'g/l': ['kg/m3', 1],
  'mm/h': ['m/s', 1 / 3_600_000],
  'm/h': ['m/s', 1 / 3600],
  'km/h': ['m/s', 1 / 3.6],
  ppm: ['/', 1e-6],
  ppb: ['/', 1e-9],
  '/100': ['/', 1e-2],
  '/1000': ['/', 1e-3],
  '%': ['/', 1e-2],
  hPa: ['Pa', 100],
  kPa: ['Pa', 1e3],
  mbar: ['Pa', 100],
  bar: ['Pa', 1e5],
  mm: ['m', 1e-3],
  cm: ['m', 1e-2],
  km: ['m', 1e3],
  kg: ['g', 1e3],
  mg: ['g', 1e-3],
  ml: ['l', 1e-3],
  m3: ['l', 1e3],
  'ml/min': ['l/s', 1e-3 / 60],
  'l/min': ['l/s', 1 / 60],
  'l/h': ['l/s', 1 / 3600],
  'm3/h': ['l/s', 1 / 3.6],
  'uS/cm': ['S/m', 1e-4],
  'mS/cm': ['S/m', 0.1],
  'mm/s': ['m/s', 1e-3],
  Cel: ['K', 1, 273.15],
  degF: ['K', 5 / 9, 273.15 - (32 * 5) / 9],
  deg: ['rad', Math.PI / 180],
  '1/min': ['1/s', 1 / 60],
  Hz: ['1/s', 1],
};

interface Linear {
  readonly primary: string;
  readonly scale: number;
  readonly offset: number;
}

/** Resolves a unit to its root; a secondary unit may rest on another one of the table (kHz → Hz → 1/s). */
function linear(unit: string): Linear {
  const entry = Object.hasOwn(SECONDARY, unit) ? SECONDARY[unit] : undefined;
  if (!entry) return { primary: unit, scale: 1, offset: 0 };
  const [next, scale, offset = 0] = entry;
  const root = linear(next);
  return { primary: root.primary, scale: scale * root.scale, offset: offset * root.scale + root.offset };
}

/** Converts a value from one unit to another of the same kind. */
export type UnitConversion = (value: number) => number;

/** The conversion between two units; null when they are of different kinds. The identity keeps the bits. */
export function unitConversion(from: string, to: string): UnitConversion | null {
  if (from === to) return identity;
  const a = linear(from);
  const b = linear(to);
  if (a.primary !== b.primary) return null;
  if (a.scale === b.scale && a.offset === b.offset) return identity;
  if (a.scale === b.scale) {
    const shift = (a.offset - b.offset) / b.scale;
    return (value) => value + shift;
  }
  const ratio = a.scale / b.scale;
  const shift = (a.offset - b.offset) / b.scale;
  return shift === 0 ? (value) => value * ratio : (value) => value * ratio + shift;
}

const identity: UnitConversion = (value) => value;
