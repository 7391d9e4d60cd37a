import { GatewayError } from '../errors.ts';
import { checkName } from './identities.ts';
import { type DeviceIdentity, deviceRole } from './identity-file.ts';
import { newSecret, sealPassword, sealRandom } from './secrets.ts';

export interface ImportedDevice {
  readonly identity: DeviceIdentity;
  /** The secret we made, to be shown once; undefined when the file gave a password. */
  readonly secret: string | undefined;
}

const MAX_ROWS = 50_000;
const MAX_PASSWORD = 1024;
/** Shorter passwords can be guessed from the outside. */
const MIN_PASSWORD = 8;
const MAX_SHOWN_PROBLEMS = 20;

/**
 * Devices from CSV (RFC 4180) with a header: `name`, and optionally `password` and `role`. A row without password
 * gets a random one. All rows or none: every problem is named with its line.
 * @param onRow called after each row, for progress
 * @throws GatewayError IDENTITY_IMPORT
 */
export async function devicesFromCsv(
  text: string,
  now: number,
  onRow: (done: number, total: number) => void = () => {},
): Promise<ImportedDevice[]> {
  const rows = parseCsv(text.replace(/^\uFEFF/, ''));
  const header = rows.shift()?.cells.map((cell) => cell.trim().toLowerCase()) ?? [];
  const unknown = header.filter((cell) => !['name', 'password', 'role'].includes(cell));
  if (!header.includes('name') || unknown.length > 0) {
    throw new GatewayError('IDENTITY_IMPORT', 'line 1 is not a header we know', {
      received: header.join(','),
      expected: 'name,password,role (password and role may be left out)',
    });
  }
  if (rows.length > MAX_ROWS) {
    throw new GatewayError('IDENTITY_IMPORT', `${rows.length} rows`, { expected: `at most ${MAX_ROWS}` });
  }
  const problems: string[] = [];
  const seen = new Set<string>();
  const devices: ImportedDevice[] = [];
  for (const [index, { cells, line }] of rows.entries()) {
    const value = (column: string): string => cells[header.indexOf(column)]?.trim() ?? '';
    const name = value('name');
    const problem = rowProblem(name, value('password'), value('role'), cells.length, header.length, seen);
    seen.add(name);
    if (problem === undefined && problems.length === 0) {
      const password = value('password');
      const secret = password === '' ? newSecret() : undefined;
      const stored = secret === undefined ? await sealPassword(password) : sealRandom(secret);
      const role = deviceRole.parse(value('role') || 'device');
      devices.push({ identity: { name, role, secret: stored, createdAt: now }, secret });
      onRow(index + 1, rows.length);
    } else if (problem !== undefined) problems.push(`line ${line}: ${problem}`);
  }
  if (problems.length === 0) return devices;
  const more = problems.length - MAX_SHOWN_PROBLEMS;
  const shown = problems.slice(0, MAX_SHOWN_PROBLEMS).join('; ') + (more > 0 ? `; and ${more} more` : '');
  throw new GatewayError('IDENTITY_IMPORT', `nothing was imported: ${shown}`);
}

function rowProblem(
  name: string,
  password: string,
  role: string,
  cells: number,
  columns: number,
  seen: ReadonlySet<string>,
): string | undefined {
  if (cells !== columns) return `${cells} cells, the header has ${columns}`;
  if (seen.has(name)) return `the name ${JSON.stringify(name)} stands twice`;
  if (role !== '' && !deviceRole.safeParse(role).success) {
    return `the role ${JSON.stringify(role)} is not one of ${deviceRole.options.join(', ')}`;
  }
  if (password !== '' && (password.length < MIN_PASSWORD || password.length > MAX_PASSWORD)) {
    return `the password has ${password.length} characters, it needs ${MIN_PASSWORD} to ${MAX_PASSWORD}`;
  }
  try {
    checkName(name);
    return undefined;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return `the name ${JSON.stringify(name.slice(0, 140))} is not allowed: ${error.expected}`;
  }
}

/** Rows of RFC 4180 text with the line each begins on; empty lines are left out. */
function parseCsv(text: string): { cells: string[]; line: number }[] {
  const rows: { cells: string[]; line: number }[] = [];
  let cells: string[] = [];
  let cell = '';
  let quoted = false;
  let line = 1;
  let begin = 1;
  const endRow = (): void => {
    if (cells.length > 0 || cell.trim() !== '') rows.push({ cells: [...cells, cell], line: begin });
    cells = [];
    cell = '';
    begin = line;
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (c === '\n') line++;
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[i + 1] === '"') cell += text[++i];
      else quoted = false;
    } else if (c === '"' && cell === '') quoted = true;
    else if (c === ',') {
      cells.push(cell);
      cell = '';
    } else if (c === '\n') endRow();
    else if (c !== '\r') cell += c;
  }
  endRow();
  return rows;
}
