import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Energy of the whole board or processor package, where the kernel exposes it. */
export interface EnergyUse {
  readonly joules: number;
  /** Which sensor: `rapl package-0`, `ina3221 VDD_IN`. */
  readonly source: string;
}

export interface EnergyMeter {
  /** Ends the measurement. */
  stop(): EnergyUse;
}

const SAMPLE_MS = 50;

/**
 * Starts to measure: Intel and AMD's energy counters (powercap), else power sensors (hwmon, as on Jetson boards), which
 * are sampled. Undefined where there is none that may be read: that is most virtual machines and a Raspberry Pi 4.
 *
 * @param root of the sys file system
 */
export function startEnergyMeter(root = '/sys'): EnergyMeter | undefined {
  return counter(join(root, 'class/powercap')) ?? sampler(join(root, 'class/hwmon'));
}

function counter(folder: string): EnergyMeter | undefined {
  for (const zone of list(folder)) {
    // Sub-zones (intel-rapl:0:0) are part of their package.
    if (!/^[a-z-]+:\d+$/.test(zone)) continue;
    const file = join(folder, zone, 'energy_uj');
    const before = number(file);
    if (before === undefined) continue;
    const range = number(join(folder, zone, 'max_energy_range_uj')) ?? 0;
    const source = `rapl ${text(join(folder, zone, 'name')) ?? zone}`;
    return {
      stop() {
        const used = (number(file) ?? before) - before;
        return { joules: (used < 0 ? used + range : used) / 1e6, source };
      },
    };
  }
  return undefined;
}

function sampler(folder: string): EnergyMeter | undefined {
  for (const device of list(folder)) {
    const sensor = powerSensor(join(folder, device));
    if (!sensor) continue;
    let joules = 0;
    let last = performance.now();
    const take = (): void => {
      const now = performance.now();
      joules += (sensor.watts() ?? 0) * ((now - last) / 1000);
      last = now;
    };
    const timer = setInterval(take, SAMPLE_MS).unref();
    return {
      stop() {
        clearInterval(timer);
        take();
        return { joules, source: sensor.source };
      },
    };
  }
  return undefined;
}

/** `power*_input` is in microwatts; where there is none, `in*_input` (mV) × `curr*_input` (mA) of the same channel. */
function powerSensor(folder: string): { source: string; watts(): number | undefined } | undefined {
  const files = list(folder);
  const name = text(join(folder, 'name')) ?? 'hwmon';
  const power = files.find((file) => /^power\d+_input$/.test(file));
  if (power !== undefined && number(join(folder, power)) !== undefined) {
    const label = text(join(folder, power.replace('input', 'label')));
    return { source: `${name} ${label ?? power}`, watts: () => scaled(join(folder, power), 1e-6) };
  }
  const current = files.find((file) => /^curr\d+_input$/.test(file));
  const voltage = current?.replace('curr', 'in');
  if (current === undefined || voltage === undefined || !files.includes(voltage)) return undefined;
  const label = text(join(folder, voltage.replace('input', 'label')));
  return {
    source: `${name} ${label ?? voltage}`,
    watts() {
      const volts = scaled(join(folder, voltage), 1e-3);
      const amperes = scaled(join(folder, current), 1e-3);
      return volts === undefined || amperes === undefined ? undefined : volts * amperes;
    },
  };
}

function scaled(file: string, factor: number): number | undefined {
  const value = number(file);
  return value === undefined ? undefined : value * factor;
}

function number(file: string): number | undefined {
  const value = Number(text(file) ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}

function text(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined; // absent, or for root only
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
