import type { Random } from '../training/random.ts';

/** Readings in one window, one a minute. */
export const WINDOW = 8;
/** Columns of a window and their units. */
export const COLUMNS = ['temperature', 'humidity', 'co2', 'light', 'motion'] as const;
export const COMFORT = ['comfortable', 'cold', 'warm', 'stuffy', 'dry', 'humid'] as const;
export type Comfort = (typeof COMFORT)[number];

export interface Room {
  /** Row-major `[WINDOW, 5]`: °C, %RH, ppm, lx, share of the minute with motion. */
  readonly values: Float32Array;
  readonly occupied: boolean;
  readonly comfort: Comfort;
}

const OUTDOOR_CO2 = 420;
/** CO₂ that one seated adult gives off: 0.3 l/min (ASTM D6245), in m³ per minute. */
const CO2_PER_PERSON = 0.3e-3;

/**
 * A room over some hours, of which the last {@link WINDOW} minutes are returned. CO₂ follows the mass balance
 * `V dC/dt = G − Q (C − C_out)`; temperature and humidity drift towards a set point disturbed by people and sun; light
 * is daylight plus lamps that people mostly switch on; motion is what a passive infrared sensor reports.
 */
export function room(random: Random): Room {
  const volume = random.between(20, 120);
  const airChanges = random.between(0.2, 4) / 60;
  const minutes = random.integer(40, 240);
  const arrival = random.integer(0, minutes);
  const leaves = random.chance(0.4) ? arrival + random.integer(10, 120) : Number.POSITIVE_INFINITY;
  const people = random.chance(0.75) ? random.integer(1, 6) : 0;
  const daylight = random.chance(0.5) ? random.between(20, 800) : 0;
  const lamps = random.between(100, 500);
  const lampsOn = random.chance(daylight > 150 ? 0.5 : 0.93);
  const forgotten = random.chance(0.15);
  const restless = random.between(0.05, 0.6);

  let co2 = random.between(OUTDOOR_CO2, 900);
  let temperature = random.between(16, 29);
  let humidity = random.between(12, 80);
  const setTemperature = temperature + random.between(-2, 2);
  const rows: number[][] = [];
  let present = 0;
  for (let minute = 0; minute < minutes; minute++) {
    present = minute >= arrival && minute < leaves ? people : 0;
    co2 += (1e6 * CO2_PER_PERSON * present) / volume - airChanges * (co2 - OUTDOOR_CO2);
    temperature += 0.01 * (setTemperature - temperature) + (0.25 * present) / volume;
    humidity += (1.2 * present) / volume - 0.2 * airChanges * (humidity - 40);
    const lit = lampsOn && (present > 0 || (forgotten && minute >= arrival && people > 0));
    rows.push([
      temperature + 0.05 * random.normal(),
      Math.min(98, Math.max(5, humidity + 0.4 * random.normal())),
      co2 + 8 * random.normal(),
      Math.max(0, daylight + (lit ? lamps : 0) + 4 * random.normal()),
      present > 0
        ? Math.min(1, Math.max(0, restless + 0.25 * random.normal()))
        : random.chance(0.02)
          ? 0.3
          : 0,
    ]);
  }
  const values = Float32Array.from(rows.slice(-WINDOW).flat());
  return { values, occupied: present > 0, comfort: comfortOf(temperature, humidity, co2) };
}

/**
 * Comfort by the bounds of category II of EN 16798-1 for rooms (20–26 °C, 25–60 %RH, 800 ppm above outdoors); the
 * worst departure, relative to its bound, names the class.
 */
export function comfortOf(temperature: number, humidity: number, co2: number): Comfort {
  const departures: [Comfort, number][] = [
    ['cold', (20 - temperature) / 3],
    ['warm', (temperature - 26) / 3],
    ['stuffy', (co2 - OUTDOOR_CO2 - 800) / 400],
    ['dry', (25 - humidity) / 10],
    ['humid', (humidity - 60) / 10],
  ];
  const worst = departures.reduce((a, b) => (b[1] > a[1] ? b : a));
  return worst[1] > 0 ? worst[0] : 'comfortable';
}
