import { join, relative } from 'node:path';
import type { ResultDocument } from '../../gateway/ports/results.ts';
import type { DemoPorts } from './setup.ts';

/** The parts of a terminal style the demo needs. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

/** How one runs this program: a build is installed as a command of its own. */
const INSTALLED = import.meta.url.endsWith('.js');
const GATEWAY = INSTALLED ? 'aimx-gateway' : 'npm run gateway --';
const AGAIN = INSTALLED ? 'aimx-gateway demo --fresh' : 'npm start -- --fresh';

export interface WelcomeParts {
  readonly ports: DemoPorts;
  readonly folder: string;
  /** Of the chain. */
  readonly engine: string;
  /** The first login; null when there was one before. */
  readonly login: { readonly name: string; readonly password: string } | null;
}

/** What runs, what to open and what to type next. */
export function welcome(style: Style, { ports, folder, engine, login }: WelcomeParts): string {
  const { bold, cyan, dim } = style;
  const config = join(near(folder), 'gateway.yaml');
  const rows: [string, string][] = [
    ['dashboard', cyan(`http://127.0.0.1:${ports.http}/`)],
    ['flow editor', cyan(`http://127.0.0.1:${ports.http}/flows/`)],
    [
      'login',
      login
        ? `${bold(login.name)}  ${bold(login.password)}   ${dim('shown only now')}`
        : dim(`as before; ${GATEWAY} people password admin --config ${config}`),
    ],
    ['MQTT', `mqtt://127.0.0.1:${ports.mqtt}   ${dim('three machines and a meter publish here')}`],
    ['CoAP', `coap://127.0.0.1:${ports.coap}   ${dim('two rooms post here')}`],
    ['upstream', `mqtt://127.0.0.1:${ports.upstream}   ${dim('a stand-in for your cloud')}`],
    ['chain', `http://127.0.0.1:${ports.chain}   ${dim(`local, ${engine}`)}`],
    ['data', near(folder)],
  ];
  return [
    '',
    bold('The gateway runs, with a small home and a plant around it.'),
    '',
    ...rows.map(([name, text]) => `  ${name.padEnd(12)} ${text}`),
    '',
    'Try, in another terminal:',
    '',
    `  mosquitto_sub -p ${ports.mqtt} -t 'aimx/result/#' -v`,
    `  mosquitto_pub -p ${ports.mqtt} -q 1 -t plant/press-1/temperature \\`,
    `    -m '{"t": 99.5, "ts": '$(date +%s000)'}'`,
    `  coap-client-notls coap://127.0.0.1:${ports.coap}/.well-known/core`,
    `  coap-client-notls -s 30 coap://127.0.0.1:${ports.coap}/r/room-comfort/bedroom`,
    `  ${GATEWAY} audit --config ${config}`,
    '',
    dim(`Ctrl-C stops all of it. The data stays; \`${AGAIN}\` begins anew.`),
    '',
  ].join('\n');
}

/** A folder as one types it: relative where it is below the working directory. */
function near(folder: string): string {
  const path = relative(process.cwd(), folder);
  return path.startsWith('..') || path === '' ? folder : path;
}

/** What a result says, in a word or two: `normal`, else `score 0.012`. The rest stays in the result itself. */
export function outputsText(outputs: ResultDocument['outputs']): string {
  const label = Object.values(outputs).find((value) => typeof value === 'string');
  if (label !== undefined) return label;
  return Object.entries(outputs)
    .filter(([, value]) => typeof value === 'number')
    .map(([name, value]) => `${name} ${Number(value).toFixed(3)}`)
    .join(', ');
}

/** A line with the time of day in front. */
export function timed(style: Style, text: string, now = new Date()): string {
  return `${style.dim(now.toTimeString().slice(0, 8))} ${text}`;
}
