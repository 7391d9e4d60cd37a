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

/** What does not change about a room, and its present air. */
export interface RoomState {
  /** m³ */
  readonly volume: number;
  /** Air changes per minute. */
  readonly airChanges: number;
  readonly setTemperature: number;
  /** lx without and from lamps. */
  daylight: number;
  readonly lamps: number;
  /** Share of a minute in which somebody present moves. */
  readonly restless: number;
  /** ppm, °C and %RH. */
  co2: number;
  temperature: number;
  humidity: number;
}

/**
 * One minute in a room: CO₂ follows the mass balance `V dC/dt = G − Q (C − C_out)`; temperature and humidity drift
 * towards a set point disturbed by people; light is daylight plus lamps; motion is what a passive infrared sensor
 * reports. Returns the readings in the order of {@link COLUMNS}.
 */
export function minute(random: Random, room: RoomState, people: number, lit: boolean): number[] {
  room.co2 += (1e6 * CO2_PER_PERSON * people) / room.volume - room.airChanges * (room.co2 - OUTDOOR_CO2);
  room.temperature += 0.01 * (room.setTemperature - room.temperature) + (0.25 * people) / room.volume;
  room.humidity += (1.2 * people) / room.volume - 0.2 * room.airChanges * (room.humidity - 40);
  const motion = people > 0 ? room.restless + 0.25 * random.normal() : random.chance(0.02) ? 0.3 : 0;
  return [
    room.temperature + 0.05 * random.normal(),
    Math.min(98, Math.max(5, room.humidity + 0.4 * random.normal())),
    room.co2 + 8 * random.normal(),
    Math.max(0, room.daylight + (lit ? room.lamps : 0) + 4 * random.normal()),
    Math.min(1, Math.max(0, motion)),
  ];
}

/** A random room over some hours, of which the last {@link WINDOW} minutes are returned. */
export function room(random: Random): Room {
  const temperature = random.between(16, 29);
  const state: RoomState = {
    volume: random.between(20, 120),
    airChanges: random.between(0.2, 4) / 60,
    setTemperature: temperature + random.between(-2, 2),
    daylight: random.chance(0.5) ? random.between(20, 800) : 0,
    lamps: random.between(100, 500),
    restless: random.between(0.05, 0.6),
    co2: random.between(OUTDOOR_CO2, 900),
    temperature,
    humidity: random.between(12, 80),
  };
  const minutes = random.integer(40, 240);
  const arrival = random.integer(0, minutes);
  const leaves = random.chance(0.4) ? arrival + random.integer(10, 120) : Number.POSITIVE_INFINITY;
  const people = random.chance(0.75) ? random.integer(1, 6) : 0;
  const lampsUsed = random.chance(state.daylight > 150 ? 0.5 : 0.93);
  const forgotten = random.chance(0.15);

  const rows: number[][] = [];
  let present = 0;
  for (let now = 0; now < minutes; now++) {
    present = now >= arrival && now < leaves ? people : 0;
    const lit = lampsUsed && (present > 0 || (forgotten && now >= arrival && people > 0));
    rows.push(minute(random, state, present, lit));
  }
  const values = Float32Array.from(rows.slice(-WINDOW).flat());
  return {
    values,
    occupied: present > 0,
    comfort: comfortOf(state.temperature, state.humidity, state.co2),
  };
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
