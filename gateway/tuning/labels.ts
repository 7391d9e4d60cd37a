import { readFileSync, statSync } from 'node:fs';
import { GatewayError } from '../errors.ts';

/** What somebody said of a stretch of time. */
export interface Label {
  readonly from: number;
  readonly to: number;
  readonly label: string;
  /** Of all devices when absent. */
  readonly device: string | undefined;
}

const MAX_BYTES = 8 * 1024 * 1024;

/**
 * Reads labels from a CSV file: `from,to,label[,device]` with times in ISO 8601 or epoch milliseconds. Throws TUNE_LABELS
 * naming the line.
 * @param known labels that the model has
 */
export function readLabels(file: string, known: readonly string[]): Label[] {
  const fail = (message: string, received?: unknown): GatewayError =>
    new GatewayError('TUNE_LABELS', `${file}: ${message}`, {
      ...(received === undefined ? {} : { received }),
      expected: known.join(', '),
    });
  if (known.length === 0) throw fail('this model learns without labels');
  let text: string;
  try {
    if (statSync(file).size > MAX_BYTES) throw fail(`larger than ${MAX_BYTES} bytes`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    throw fail((error as Error).message);
  }
  const [head = '', ...lines] = text.split(/\r?\n/);
  const names = head.split(',').map((name) => name.trim());
  const place = (name: string): number => names.indexOf(name);
  for (const name of ['from', 'to', 'label'])
    if (place(name) < 0) throw fail(`there is no column ${name}`, head);
  return lines.flatMap((line, i): Label[] => {
    if (line.trim() === '') return [];
    const cells = line.split(',').map((cell) => cell.trim());
    const [from, to] = [timeOf(cells[place('from')]), timeOf(cells[place('to')])];
    const label = cells[place('label')] ?? '';
    if (!(from <= to)) throw fail(`line ${i + 2}: from and to are no times in order`, line);
    if (!known.includes(label)) throw fail(`line ${i + 2}: the model has no label "${label}"`, label);
    return [
      { from, to, label, device: place('device') < 0 ? undefined : cells[place('device')] || undefined },
    ];
  });
}

const timeOf = (text = ''): number => (/^\d{10,}$/.test(text) ? Number(text) : Date.parse(text));

/** The label of a window: of the last that holds its time. */
export function labelOf(labels: readonly Label[], device: string, time: number): string | undefined {
  return labels.findLast(
    (one) => one.from <= time && time <= one.to && (one.device === undefined || one.device === device),
  )?.label;
}
