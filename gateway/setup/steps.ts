import type { z } from 'zod';
import { gatewaySection } from '../config/schema.ts';
import { GatewayError } from '../errors.ts';
import type { SetupBody, SetupStep, StepAnswer } from '../http/index.ts';
import { checkName } from '../security/identities.ts';
import { choosePassword } from '../security/passwords.ts';
import { chainProblem, upstreamProblem } from './probe.ts';
import type { Wifi } from './wifi.ts';

type Problem = StepAnswer['problems'][number];
type Place = SetupBody['place'];
type Admin = NonNullable<SetupBody['admin']>;
type Links = SetupBody['links'];

const SCHEMES = ['mqtt:', 'mqtts:', 'http:', 'https:'];

/** Checks the entries of one screen; asks the network, the broker and the chain where only they can tell. */
export async function checkStep(step: SetupStep, entries: unknown, wifi: Wifi): Promise<StepAnswer> {
  const notes: string[] = [];
  const problems = await {
    place: () => checkPlace(entries as Place, wifi, notes),
    admin: () => checkAdmin(entries as Admin),
    links: () => checkLinks(entries as Links, notes),
  }[step]();
  return { ok: problems.length === 0, problems, notes };
}

/** All screens at once. */
export async function checkAll({ place, admin, links }: SetupBody, wifi: Wifi): Promise<Problem[]> {
  const within = (step: string, list: readonly Problem[]): Problem[] =>
    list.map((one) => ({ ...one, field: [step, one.field].filter((part) => part !== '').join('.') }));
  return [
    ...within('place', (await checkStep('place', place, wifi)).problems),
    ...(admin ? within('admin', (await checkStep('admin', admin, wifi)).problems) : []),
    ...within('links', (await checkStep('links', links, wifi)).problems),
  ];
}

async function checkPlace(place: Place, wifi: Wifi, notes: string[]): Promise<Problem[]> {
  const problems: Problem[] = [];
  const parsed = gatewaySection.shape.name.safeParse(place.name);
  if (!parsed.success || place.name === '')
    problems.push(
      problem(
        'name',
        'CONFIG_INVALID',
        `this name cannot be used: ${issueOf(parsed)}`,
        'Use letters, digits, - and _.',
      ),
    );
  if ((place.latitude === undefined) !== (place.longitude === undefined))
    problems.push(
      problem(
        'latitude',
        'CONFIG_INVALID',
        'only one of latitude and longitude is given',
        'Give both, or none.',
      ),
    );
  if (place.wifi) problems.push(...(await checkWifi(place.wifi, wifi, notes)));
  return problems;
}

async function checkWifi(
  { ssid, password }: NonNullable<Place['wifi']>,
  wifi: Wifi,
  notes: string[],
): Promise<Problem[]> {
  if (!(await wifi.available()))
    return [problem('wifi', 'SETUP_WIFI', 'this board has no wireless network', 'Leave it out.')];
  const network = (await wifi.networks()).find((one) => one.ssid === ssid);
  if (!network)
    return [problem('wifi.ssid', 'SETUP_WIFI', 'this network is not in reach', 'Choose one of the list.')];
  if (network.secured && (password === undefined || password.length < 8))
    return [problem('wifi.password', 'SETUP_WIFI', 'its password has 8 to 63 characters', 'Enter it.')];
  notes.push(`${ssid} is in reach (${network.signal} %)`);
  return [];
}

async function checkAdmin({ name, password }: Admin): Promise<Problem[]> {
  const problems: Problem[] = [];
  try {
    checkName(name);
  } catch (error) {
    problems.push(ofError('name', error));
  }
  try {
    await choosePassword(name, password);
  } catch (error) {
    problems.push(ofError('password', error));
  }
  return problems;
}

async function checkLinks({ upstream, chain }: Links, notes: string[]): Promise<Problem[]> {
  const problems: Problem[] = [];
  if (upstream) {
    const { url } = upstream;
    const parsed = URL.canParse(url) ? new URL(url) : undefined;
    if (!parsed || !SCHEMES.includes(parsed.protocol))
      problems.push(
        problem(
          'upstream.url',
          'CONFIG_INVALID',
          'this is no address of a receiver',
          'Write mqtts://host or https://host/path.',
        ),
      );
    else if (parsed.username !== '' || parsed.password !== '')
      problems.push(
        problem(
          'upstream.url',
          'CONFIG_INVALID',
          'name and password do not belong into the address',
          'Use their own fields.',
        ),
      );
    else {
      const found = await upstreamProblem(upstream);
      if (found === undefined) notes.push(`${parsed.protocol}//${parsed.host} answers`);
      else
        problems.push(
          problem(
            'upstream.url',
            'UPSTREAM_SINK',
            `${parsed.host}: ${found}`,
            'Check address, network, name and password.',
          ),
        );
    }
  }
  if (chain) problems.push(...(await checkChain(chain, notes)));
  return problems;
}

async function checkChain(
  { rpcUrl, chainId, ledger }: NonNullable<Links['chain']>,
  notes: string[],
): Promise<Problem[]> {
  if (!URL.canParse(rpcUrl) || !/^https?:$/.test(new URL(rpcUrl).protocol))
    return [problem('chain.rpcUrl', 'CHAIN_NODE', 'this is no address of a node', 'Write https://host.')];
  if (ledger !== undefined && !/^0x[0-9a-fA-F]{40}$/.test(ledger))
    return [
      problem('chain.ledger', 'CHAIN_NODE', 'this is no address of a contract', 'Write 0x and 40 digits.'),
    ];
  const found = await chainProblem(rpcUrl, chainId, ledger);
  if (found)
    return [problem(`chain.${found.field}`, 'CHAIN_NODE', found.problem, 'Check address and number.')];
  notes.push(`chain ${chainId} answers`);
  return [];
}

const problem = (field: string, code: string, message: string, fix: string): Problem => ({
  field,
  code,
  message,
  fix,
});

function ofError(field: string, error: unknown): Problem {
  if (!(error instanceof GatewayError)) throw error;
  const { code, message, expected, fix } = error;
  return problem(field, code, expected === undefined ? message : `${message}: ${expected}`, fix);
}

const issueOf = (parsed: z.ZodSafeParseResult<unknown>): string =>
  parsed.success ? 'it is empty' : (parsed.error.issues[0]?.message ?? '');
