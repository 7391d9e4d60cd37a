import { describe, expect, test } from 'vitest';
import { Router } from '../../gateway/ingest/router.ts';
import { captures, parseTemplate } from '../../gateway/ingest/template.ts';
import { codeOf } from './support.ts';

function router(...templates: string[]): Router<string> {
  const made = new Router<string>();
  for (const template of templates) made.add(template, template);
  return made;
}

describe('templates', () => {
  test('names what they capture', () => {
    expect(captures('plant/{line}/{device}/temperature')).toEqual(['line', 'device']);
    expect(parseTemplate('/a/+/#').map((level) => level.kind)).toEqual(['literal', 'any', 'rest']);
  });

  test.each(['', '/', 'a/#/b', 'a/{x', 'a/b{x}', 'a/{x}/{x}', 'a+/b', 'a/#b'])(
    '%j is refused with a code',
    (text) => {
      expect(codeOf(() => parseTemplate(text))).toBe('CONFIG_INVALID');
    },
  );
});

describe('routes', () => {
  test('take the device from {device}', () => {
    expect(router('plant/{device}/temperature').lookup('plant/press-1/temperature')).toMatchObject({
      device: 'press-1',
      valid: true,
    });
  });

  test('prefer text to captures and those to #', () => {
    const made = router('a/#', 'a/{device}', 'a/b', 'a/{device}/c', 'a/b/#');
    expect(made.lookup('a/b')?.target).toBe('a/b');
    expect(made.lookup('a/x')?.target).toBe('a/{device}');
    expect(made.lookup('a/x/c')?.target).toBe('a/{device}/c');
    expect(made.lookup('a/x/d')?.target).toBe('a/#');
    expect(made.lookup('a/b/c')?.target).toBe('a/b/#');
    expect(made.lookup('a')?.target).toBe('a/#');
    expect(made.lookup('b')).toBeUndefined();
    expect(made.lookup('')).toBeUndefined();
  });

  test('join what other captures and wildcards took, without two addresses sharing a device', () => {
    const made = router('p/{line}/+/t', 'q/#', 'r/+', 's/fixed');
    expect(made.lookup('p/l1/m2/t')?.device).toBe('l1.m2');
    expect(made.lookup('p/l1.m2/x/t')?.device).not.toBe(made.lookup('p/l1/m2.x/t')?.device);
    expect(made.lookup('q/a/b')?.device).not.toBe(made.lookup('q/a.b')?.device);
    expect(made.lookup('r/a.b')?.device).toBe('a.b');
    expect(made.lookup('s/fixed')?.device).toBeUndefined();
  });

  test('mark devices that cannot be', () => {
    const made = router('a/{device}');
    for (const bad of ['', 'x\u0000', '\u0085', 'y'.repeat(129), '\ud800', 'a+b', 'a#']) {
      expect(made.lookup(`a/${bad}`)?.valid, JSON.stringify(bad)).toBe(false);
    }
  });

  test('wildcards keep away from $ topics [MQTT-4.7.2-1]', () => {
    expect(router('#').lookup('$SYS/broker')).toBeUndefined();
    expect(router('+/x').lookup('$SYS/x')).toBeUndefined();
    expect(router('$own/{device}').lookup('$own/d')?.device).toBe('d');
  });

  test('refuse two streams on the same addresses', () => {
    const made = router('a/{device}');
    expect(codeOf(() => made.add('a/+', 'other'))).toBe('CONFIG_INVALID');
    expect(codeOf(() => made.add('a/{device}', 'a/{device}'))).toBeUndefined();
  });

  test('stay right when more addresses come than the cache holds', () => {
    const made = router('a/{device}', 'a/{device}/b');
    for (let i = 0; i < 40_000; i++) expect(made.lookup(`a/d${i % 20_000}`)!.device).toBe(`d${i % 20_000}`);
    expect(made.lookup(`a/${'x'.repeat(600)}`)?.valid).toBe(false);
  });
});
