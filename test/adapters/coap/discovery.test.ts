import { describe, expect, test } from 'vitest';
import { discovery } from '../../../adapters/coap/discovery.ts';
import { filterLinks, formatLinks, hrefOf } from '../../../adapters/coap/link-format.ts';
import { Code } from '../../../adapters/coap/protocol.ts';
import { openAccess, openClient, openDoor } from './harness.ts';

async function door() {
  const opened = await openDoor();
  opened.results.publish('anomaly', 'm1', '{}');
  opened.results.publish('anomaly', 'Halle 2', '{}');
  opened.results.publish('comfort', 'room', '{}');
  const client = await openClient(opened.port);
  const get = async (path: string, ...query: string[]) => {
    const response = await client.request({ method: 'GET', path, query });
    return { code: response.code, format: response.options.contentFormat, text: response.payload.toString() };
  };
  const hrefs = async (...query: string[]) =>
    [...(await get('.well-known/core', ...query)).text.matchAll(/<([^>]*)>/g)].map((match) => match[1]);
  return { ...opened, client, get, hrefs };
}

describe('/.well-known/core', () => {
  test('names streams, pipelines and results with their attributes', async () => {
    const { get } = await door();
    const { code, format, text } = await get('.well-known/core');
    expect([code, format]).toEqual([Code.CONTENT, 40]);
    expect(text).toContain('</s/temperature>;rt="aimx.stream";if="aimx.readings";ct=50;title=');
    expect(text).toContain('</s/pack>;rt="aimx.stream";if="aimx.readings";ct=112;');
    expect(text).toContain('</r/anomaly>;rt="aimx.pipeline";if="core.ll";ct=40');
    expect(text).toContain('</r/anomaly/m1>;rt="aimx.result";if="core.s";ct=50;obs');
    expect(text).toContain('</r/anomaly/Halle%202>');
  });

  test.each([
    [['rt=aimx.result'], ['/r/anomaly/m1', '/r/anomaly/Halle%202', '/r/comfort/room']],
    [['rt=aimx.str*'], ['/s/temperature', '/s/pack']],
    [['href=/r/comfort*'], ['/r/comfort', '/r/comfort/room']],
    [['href=/r/anomaly/Halle 2'], ['/r/anomaly/Halle%202']],
    [['href=/s/pack'], ['/s/pack']],
    [['if=core.s', 'href=/r/comfort*'], ['/r/comfort/room']],
    [['ct=112'], ['/s/pack']],
    [['obs'], ['/r/anomaly/m1', '/r/anomaly/Halle%202', '/r/comfort/room']],
    [['rt=nothing'], []],
    [['foo=bar'], []],
    [['rt=*', 'ct=50', 'if=aimx.readings'], ['/s/temperature']],
  ])('filtered by %j', async (query, expected) => {
    const { hrefs } = await door();
    expect(await hrefs(...query)).toEqual(expected);
  });

  test('names /infer where there are models', async () => {
    const { hrefs, results } = await door();
    expect(await hrefs('rt=aimx.infer')).toEqual([]);
    const found = filterLinks(
      discovery([], results, () => true, true),
      ['rt=aimx.infer'],
    );
    expect(formatLinks(found)).toMatch(/^<\/infer>;rt="aimx\.infer";if="aimx\.oip";ct="50 60 42";title=/);
  });

  test('is available as link-format only', async () => {
    const { client } = await door();
    const response = await client.request({ method: 'GET', path: '.well-known/core', accept: 50 });
    expect(response.code).toBe(Code.NOT_ACCEPTABLE);
  });

  test('a large one comes in blocks', async () => {
    const { get, results } = await door();
    for (let i = 0; i < 2000; i += 1) results.publish('anomaly', `device-${i}`, '{}');
    expect((await get('.well-known/core')).text.split(',</').length).toBeGreaterThan(1000);
    expect((await get('r/anomaly')).text.split(',</').length).toBe(2002);
  });
});

test('a principal sees the results it may read, and no others', async () => {
  const access = {
    ...openAccess,
    maySubscribe: (_: unknown, topic: string) => topic === 'aimx/result/p/mine',
  };
  const { port, results } = await openDoor({ access });
  results.publish('p', 'mine', '{}');
  results.publish('p', 'yours', '{}');
  results.publish('q', 'yours', '{}');
  const client = await openClient(port);
  const get = async (path: string) => (await client.request({ method: 'GET', path })).payload.toString();
  const core = await get('.well-known/core');
  expect(core).toContain('</r/p/mine>');
  expect(core).not.toMatch(/yours|\/r\/q/);
  expect(await get('r')).not.toContain('/r/q');
  expect(await get('r/p')).not.toContain('yours');
  expect(await get('r/q')).toBe('');
});

test('/r lists pipelines, /r/<pipeline> its devices', async () => {
  const { get } = await door();
  expect((await get('r')).text).toBe(
    '</r/anomaly>;rt="aimx.pipeline";if="core.ll";ct=40,</r/comfort>;rt="aimx.pipeline";if="core.ll";ct=40',
  );
  expect((await get('r/comfort')).text).toBe('</r/comfort/room>;rt="aimx.result";if="core.s";ct=50;obs');
});

describe('link format', () => {
  test('quotes what must be quoted', () => {
    const links = [
      { href: hrefOf('a b', 'ü/c'), attributes: { title: 'say "hi" \\ there', obs: true as const } },
    ];
    expect(formatLinks(links)).toBe('</a%20b/%C3%BC%2Fc>;title="say \\"hi\\" \\\\ there";obs');
  });

  test('matches any of several values, by prefix too', () => {
    const links = [{ href: '/x', attributes: { rt: ['light-lux', 'core.sen-light'], sz: 12 } }];
    for (const query of [
      'rt=light-lux',
      'rt=core*',
      'rt="light-lux"',
      'sz=12',
      'rt=light-lux core.sen-light',
    ]) {
      expect(filterLinks(links, [query])).toHaveLength(1);
    }
    for (const query of ['rt=light', 'sz=1', 'href=/y', 'constructor', 'toString=*']) {
      expect(filterLinks(links, [query])).toHaveLength(0);
    }
  });
});
