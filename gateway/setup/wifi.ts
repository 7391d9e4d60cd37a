import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';
import type { WifiNetwork } from '../http/index.ts';

const SCAN_MS = 15_000;
const CONNECT_MS = 60_000;
const MAX_NETWORKS = 50;

/** Wireless networks through NetworkManager's command line. */
export class Wifi {
  readonly #nmcli: string;

  constructor(nmcli = 'nmcli') {
    this.#nmcli = nmcli;
  }

  /** Whether the board has NetworkManager and a wireless device. */
  async available(): Promise<boolean> {
    try {
      const devices = await this.#run(['-t', '-f', 'TYPE', 'device'], SCAN_MS);
      return devices.split('\n').includes('wifi');
    } catch (error) {
      // Not there, or not running: then there is no wireless network to choose.
      if (error instanceof GatewayError) return false;
      throw error;
    }
  }

  /** Networks in reach, the strongest first. */
  async networks(): Promise<WifiNetwork[]> {
    const fields = 'IN-USE,SIGNAL,SECURITY,SSID';
    const lines = (await this.#run(['-t', '-f', fields, 'device', 'wifi', 'list'], SCAN_MS)).split('\n');
    const found = new Map<string, WifiNetwork>();
    for (const line of lines) {
      const [active = '', signal = '', security = '', ...rest] = fieldsOf(line);
      const ssid = rest.join(':');
      if (ssid === '' || (found.get(ssid)?.signal ?? -1) >= Number(signal)) continue;
      found.set(ssid, {
        ssid,
        signal: Number(signal) || 0,
        secured: security !== '' && security !== '--',
        active: active === '*',
      });
    }
    return [...found.values()].sort((a, b) => b.signal - a.signal).slice(0, MAX_NETWORKS);
  }

  /**
   * Connects, and again after each start of the board. The password goes through a file, because others can see the
   * arguments of a process. @throws GatewayError SETUP_WIFI
   */
  async connect(ssid: string, password: string | undefined): Promise<void> {
    const name = `aimx-${ssid}`;
    const security = password === undefined ? [] : ['wifi-sec.key-mgmt', 'wpa-psk'];
    // One of an earlier try may have another password.
    await this.#run(['connection', 'delete', 'id', name], SCAN_MS).catch(() => undefined);
    await this.#run(
      ['connection', 'add', 'type', 'wifi', 'con-name', name, 'ssid', ssid, ...security],
      SCAN_MS,
    );
    const folder = mkdtempSync(join(tmpdir(), 'aimx-wifi-'));
    try {
      const file = join(folder, 'secrets');
      writeFileSync(file, password === undefined ? '' : `802-11-wireless-security.psk:${password}\n`, {
        mode: 0o600,
      });
      await this.#run(['connection', 'up', 'id', name, 'passwd-file', file], CONNECT_MS);
    } catch (error) {
      await this.#run(['connection', 'delete', 'id', name], SCAN_MS).catch(() => undefined);
      throw error;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  #run(words: readonly string[], timeout: number): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(
        this.#nmcli,
        words,
        { timeout, env: { ...process.env, LC_ALL: 'C' } },
        (error, stdout, stderr) => {
          if (!error) return resolve(stdout);
          const said = stderr.trim().split('\n').at(-1) || error.message.split('\n')[0];
          reject(new GatewayError('SETUP_WIFI', `the network: ${said}`, { cause: error }));
        },
      );
    });
  }
}

/** Fields of nmcli's terse output: separated by colons; a backslash stands before those that belong to a field. */
function fieldsOf(line: string): string[] {
  const fields: string[] = [];
  let field = '';
  for (let i = 0; i < line.length; i++) {
    if (line[i] === ':') {
      fields.push(field);
      field = '';
    } else field += line[i] === '\\' ? (line[++i] ?? '') : line[i];
  }
  fields.push(field);
  return fields;
}
