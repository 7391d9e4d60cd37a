/**
 * Promise 9: kills the core (or the model host) with SIGKILL at random instants while clients ask over MQTT and HTTP, and
 * looks at what they were answered in the end.
 *
 *     node test/fault/infer.ts --kills 50 --seed 1 --rate 100
 *     node test/fault/infer.ts --kills 20 --host 1        kills the model host in place of the core
 *
 * Passes when every acknowledged request has exactly one terminal answer (one that is delivered again must be the same,
 * byte for byte), repetitions of an id over HTTP get that answer too, nothing is left open in the ledger, and there
 * is one receipt for each request that was answered with a result, and none for any other.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { listReceipts, openReceiptFile } from '../../gateway/billing/receipts/receipts.ts';
import { storeModule } from '../../gateway/serving/store-module.ts';
import { seededRandom } from '../../models/training/random.ts';
import { Asker } from '../support/asker.ts';
import {
  freePorts,
  type GatewayProcess,
  startGatewayProcess,
  writeConfig,
} from '../support/gateway-process.ts';
import { until } from '../support/until.ts';
import { numbers } from './arguments.ts';

export interface InferKillOptions {
  readonly kills: number;
  readonly seed: number;
  /** Requests a second over all MQTT clients; besides them one HTTP client asks as fast as it is answered. */
  readonly rate: number;
  readonly clients: number;
  /** 1: kill the model host, 0: kill the core. */
  readonly host: number;
  /** Most milliseconds between being ready and the kill. */
  readonly life: number;
}

const FIELDS = 5;
const ROWS = 8;
const TICK_MS = 20;
const REPLIED = /^\{"id":"([^"]+)"/;

/** Terminal answers by id: each different text once, and how often one came. */
class Answers {
  readonly texts = new Map<string, Set<string>>();
  delivered = 0;

  add(text: string): void {
    const id = REPLIED.exec(text)?.[1];
    if (id === undefined) throw new Error(`an answer without id: ${text.slice(0, 200)}`);
    this.delivered++;
    const known = this.texts.get(id);
    if (known) known.add(text);
    else this.texts.set(id, new Set([text]));
  }

  ids(kind: 'result' | 'error'): string[] {
    return [...this.texts].flatMap(([id, [text]]) =>
      text!.includes('"error":') === (kind === 'error') ? [id] : [],
    );
  }
}

export async function inferKillTest(
  options: InferKillOptions,
  tell: (line: string) => void,
): Promise<object> {
  const random = seededRandom(options.seed);
  const folder = mkdtempSync(join(tmpdir(), 'aimx-infer-'));
  const ports = await freePorts();
  writeConfig(folder, ports, { gateway: { name: 'infer', dataDir: './data' } });
  let gateway = await startGatewayProcess(folder, ports);
  const answers = new Answers();
  let sent = 0;

  const clients = Array.from({ length: options.clients }, (_, i) => ({
    client: new Asker(ports.mqtt, `press-${i}`, (text) => answers.add(text)),
    next: 1,
  }));
  const acknowledged = (): Set<string> => new Set(clients.flatMap(({ client }) => [...client.acknowledged]));
  const body = (id: string, more: object): string =>
    JSON.stringify({
      id,
      inputs: [
        {
          ...{ name: 'input', shape: [1, ROWS, FIELDS], datatype: 'FP32' },
          data: Array.from({ length: ROWS * FIELDS }, () => Math.round(random.between(0, 1000))),
        },
      ],
      ...more,
    });
  const ask = (one: (typeof clients)[number]): void => {
    if (!one.client.connected || one.client.pending > 50) return;
    const id = `${one.client.name}-${one.next++}`;
    const dice = random.between(0, 20);
    // Some are late before they begin, some are wrong, some are of a model that is not there.
    const more =
      dice < 1 ? { parameters: { deadline_ms: 1 } } : dice < 2 ? { outputs: [{ name: 'none' }] } : {};
    const topic = `aimx/infer/${dice > 19 ? 'none' : 'room-comfort'}`;
    sent++;
    one.client.ask(id, topic, body(id, more));
  };
  let asking = true;
  let credit = 0;
  const timer = setInterval(() => {
    credit = Math.min(credit + (options.rate * TICK_MS) / 1000, options.rate);
    for (; credit >= 1; credit--) ask(clients[Math.floor(random.between(0, clients.length))]!);
  }, TICK_MS);

  let repeatedOverHttp = 0;
  const overHttp = (async () => {
    for (let n = 1; asking; n++) {
      const id = `http-${n}`;
      const text = body(id, {});
      const first = await persistent(ports.http, text, () => asking);
      if (first === undefined) return;
      answers.add(first);
      const second = await persistent(ports.http, text, () => asking);
      if (second === undefined) return;
      answers.add(second);
      repeatedOverHttp++;
    }
  })();

  let passed = false;
  try {
    for (let kill = 1; kill <= options.kills; kill++) {
      await new Promise((done) => setTimeout(done, random.between(50, options.life)));
      if (options.host) await killModelHost(gateway);
      else {
        await gateway.kill();
        gateway = await startGatewayProcess(folder, ports);
      }
      if (kill % 10 === 0 || kill === options.kills)
        tell(
          `${kill}/${options.kills} kills, ${acknowledged().size} acknowledged, ${answers.texts.size} answered`,
        );
    }
    clearInterval(timer);
    asking = false;
    await overHttp;
    const settled = (): boolean =>
      clients.every(({ client }) => client.pending === 0) &&
      [...acknowledged()].every((id) => answers.texts.has(id));
    await until(settled, 'all answers', 60_000).catch(() => undefined);
    await gateway.stop();
    const report = await judge(folder, answers, acknowledged(), sent, repeatedOverHttp);
    passed = report.passed;
    return report;
  } finally {
    clearInterval(timer);
    asking = false;
    for (const { client } of clients) client.close();
    await gateway.stop();
    if (passed) rmSync(folder, { recursive: true, force: true });
    else tell(`what is left of it: ${folder}`);
  }
}

/** Asks until there is a terminal answer; undefined when it is no longer wanted. */
async function persistent(port: number, text: string, wanted: () => boolean): Promise<string | undefined> {
  while (wanted()) {
    try {
      const response = await fetch(`http://127.0.0.1:${port}/v2/models/room-comfort/infer`, {
        ...{ method: 'POST', body: text },
      });
      const answer = await response.text();
      if (response.status === 200) return answer;
      if (response.status !== 503 && response.status !== 429) {
        const { id, code, error } = JSON.parse(answer) as { id: string; code: string; error: string };
        return JSON.stringify({ id, error: { code, message: error } });
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
    await new Promise((done) => setTimeout(done, 20));
  }
  return undefined;
}

async function killModelHost(gateway: GatewayProcess): Promise<void> {
  const status = await gateway.api<{ modelHost: { pid: number | null } }>('/api/v1/status');
  if (status.modelHost.pid !== null) process.kill(status.modelHost.pid, 'SIGKILL');
}

async function judge(
  folder: string,
  answers: Answers,
  acknowledged: ReadonlySet<string>,
  sent: number,
  repeatedOverHttp: number,
) {
  const file = join(folder, 'data/gateway.db');
  const reader = openReceiptFile(file);
  const receipts: string[] = [];
  for (let before: string | undefined; ; ) {
    const page = await listReceipts(reader, {
      limit: 1000,
      ...(before === undefined ? {} : { before: placeOf(before) }),
    });
    receipts.push(...page.map(({ requestId }) => requestId));
    if (page.length < 1000) break;
    before = page[page.length - 1]!.place;
  }
  reader.close();
  const db = new DatabaseSync(file, { readOnly: true });
  const ledger = storeModule.queries.counts!(db, undefined as never) as { open: number; owed: number };
  db.close();
  const results = new Set(answers.ids('result'));
  const billed = new Set(receipts);
  const errors: Record<string, number> = {};
  for (const id of answers.ids('error')) {
    const [text] = answers.texts.get(id)!;
    const { code } = (JSON.parse(text!) as { error: { code: string } }).error;
    errors[code] = (errors[code] ?? 0) + 1;
  }
  const report = {
    sent,
    acknowledged: acknowledged.size,
    unanswered: [...acknowledged].filter((id) => !answers.texts.has(id)).length,
    answered: answers.texts.size,
    withResult: results.size,
    errors,
    differentAnswers: [...answers.texts.values()].filter((texts) => texts.size > 1).length,
    deliveredAgain: answers.delivered - answers.texts.size - repeatedOverHttp,
    repeatedOverHttp,
    receipts: receipts.length,
    billedTwice: receipts.length - billed.size,
    // What was computed for a client that never learned of it, because it asked over HTTP when the kill came.
    billedUnanswered: [...billed.difference(results)].length,
    unbilled: [...results.difference(billed)].length,
    ledger,
  };
  const passed =
    report.acknowledged === sent &&
    report.unanswered === 0 &&
    report.differentAnswers === 0 &&
    report.billedTwice === 0 &&
    report.billedUnanswered <= 1 &&
    report.unbilled === 0 &&
    ledger.open === 0;
  return { ...report, passed };
}

function placeOf(place: string): { book: number; ordinal: number } {
  const [book, ordinal] = place.split(':');
  return { book: Number(book), ordinal: Number(ordinal) };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const options = numbers({ kills: 50, seed: 1, rate: 100, clients: 4, host: 0, life: 1500 });
  console.log(JSON.stringify(options));
  const report = (await inferKillTest(options, console.log)) as { passed: boolean };
  console.log(JSON.stringify(report, null, 2));
  console.log(report.passed ? 'passed' : 'FAILED');
  process.exit(report.passed ? 0 : 1);
}
