import { GatewayError } from '../errors.ts';

const MAX_DEVICE = 128;
// Control characters (C0, DEL, C1), the MQTT separators and wildcards, and lone surrogates.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const FORBIDDEN = /[\u0000-\u001f\u007f-\u009f/+#]/;

/** Whether a text may name a device: it becomes a level of topics and paths, and part of record ids. */
export function isDeviceName(name: string): boolean {
  return name.length > 0 && name.length <= MAX_DEVICE && !FORBIDDEN.test(name) && name.isWellFormed();
}

/** @throws GatewayError DECODE_DEVICE */
export function checkDeviceName(name: string): string {
  if (isDeviceName(name)) return name;
  throw new GatewayError(
    'DECODE_DEVICE',
    `device name ${JSON.stringify(name.slice(0, 140))} is not allowed`,
    {
      received: name.slice(0, 140),
      expected: `1 to ${MAX_DEVICE} characters, none of / + # or control characters`,
    },
  );
}

/**
 * One device name from several levels of an address, injective: dots inside a level are escaped, so that `a.b`,`c`
 * and `a`,`b.c` stay two devices.
 */
export function joinDeviceName(parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll('%', '%25').replaceAll('.', '%2E')).join('.');
}
