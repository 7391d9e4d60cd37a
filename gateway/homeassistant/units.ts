/** How Home Assistant calls a quantity. */
export interface Quantity {
  readonly unit_of_measurement?: string;
  readonly device_class?: string;
}

/** SenML units (RFC 8428, RFC 8798) as Home Assistant writes them, with the device class where it allows that unit. */
const UNITS: Readonly<Record<string, Quantity>> = {
  Cel: { unit_of_measurement: '°C', device_class: 'temperature' },
  K: { unit_of_measurement: 'K', device_class: 'temperature' },
  degF: { unit_of_measurement: '°F', device_class: 'temperature' },
  '%RH': { unit_of_measurement: '%', device_class: 'humidity' },
  '%EL': { unit_of_measurement: '%', device_class: 'battery' },
  '%': { unit_of_measurement: '%' },
  Pa: { unit_of_measurement: 'Pa', device_class: 'pressure' },
  hPa: { unit_of_measurement: 'hPa', device_class: 'pressure' },
  kPa: { unit_of_measurement: 'kPa', device_class: 'pressure' },
  mbar: { unit_of_measurement: 'mbar', device_class: 'pressure' },
  bar: { unit_of_measurement: 'bar', device_class: 'pressure' },
  V: { unit_of_measurement: 'V', device_class: 'voltage' },
  mV: { unit_of_measurement: 'mV', device_class: 'voltage' },
  A: { unit_of_measurement: 'A', device_class: 'current' },
  mA: { unit_of_measurement: 'mA', device_class: 'current' },
  W: { unit_of_measurement: 'W', device_class: 'power' },
  kW: { unit_of_measurement: 'kW', device_class: 'power' },
  Wh: { unit_of_measurement: 'Wh', device_class: 'energy' },
  kWh: { unit_of_measurement: 'kWh', device_class: 'energy' },
  J: { unit_of_measurement: 'J', device_class: 'energy' },
  Hz: { unit_of_measurement: 'Hz', device_class: 'frequency' },
  kHz: { unit_of_measurement: 'kHz', device_class: 'frequency' },
  lx: { unit_of_measurement: 'lx', device_class: 'illuminance' },
  ppm: { unit_of_measurement: 'ppm' },
  'ug/m3': { unit_of_measurement: 'µg/m³' },
  dBm: { unit_of_measurement: 'dBm', device_class: 'signal_strength' },
  dBW: { unit_of_measurement: 'dBW' },
  m: { unit_of_measurement: 'm', device_class: 'distance' },
  mm: { unit_of_measurement: 'mm', device_class: 'distance' },
  cm: { unit_of_measurement: 'cm', device_class: 'distance' },
  km: { unit_of_measurement: 'km', device_class: 'distance' },
  'm/s': { unit_of_measurement: 'm/s', device_class: 'speed' },
  'km/h': { unit_of_measurement: 'km/h', device_class: 'speed' },
  'm/s2': { unit_of_measurement: 'm/s²' },
  g: { unit_of_measurement: 'g', device_class: 'weight' },
  kg: { unit_of_measurement: 'kg', device_class: 'weight' },
  s: { unit_of_measurement: 's', device_class: 'duration' },
  ms: { unit_of_measurement: 'ms', device_class: 'duration' },
  min: { unit_of_measurement: 'min', device_class: 'duration' },
  h: { unit_of_measurement: 'h', device_class: 'duration' },
  l: { unit_of_measurement: 'L' },
  m3: { unit_of_measurement: 'm³' },
  'l/s': { unit_of_measurement: 'L/s' },
  B: { unit_of_measurement: 'B', device_class: 'data_size' },
};

/** A unit as it is written where Home Assistant has no other word for it. */
export const quantityOf = (unit: string | undefined): Quantity =>
  unit === undefined ? {} : (UNITS[unit] ?? { unit_of_measurement: unit });
