import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { extract } from '../../../gateway/inference/archive/extract.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const listed = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

interface Entry {
  readonly name: string;
  readonly data?: string;
  readonly type?: string;
  readonly link?: string;
}

/** A ustar archive as written by hand, so that it can say what no packer would. */
function tarOf(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(({ name, data = '', type = '0', link = '' }) => {
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write('0000644\0', 100);
    header.write(`${Buffer.byteLength(data).toString(8).padStart(11, '0')}\0`, 124);
    header.write('        ', 148);
    header.write(type, 156);
    header.write(link, 157, 100);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    const body = Buffer.alloc(Math.ceil(Buffer.byteLength(data) / 512) * 512);
    body.write(data);
    return [header, body];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** A zip archive; `size` and `mode` may lie. */
function zipOf(entries: readonly (Entry & { size?: number; mode?: number })[]): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const { name, data = '', size = Buffer.byteLength(data), mode = 0o100644 } of entries) {
    const packed = deflateRawSync(data);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(8, 4);
    fields.writeUInt32LE(crc32(data), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(size, 18);
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), packed]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(mode * 0x10000, 6);
    rest.writeUInt32LE(offset, 10);
    centrals.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x03'), fields, rest, Buffer.from(name)]));
    locals.push(local);
    offset += local.length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(
    centrals.reduce((sum, { length }) => sum + length, 0),
    8,
  );
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, ...centrals, Buffer.from('PK\x05\x06'), end]);
}

function written(name: string, bytes: Uint8Array): string {
  const file = join(temporaryFolder(), name);
  writeFileSync(file, bytes);
  return file;
}

const target = (): string => join(temporaryFolder(), 'out');

test('what the usual packers make is unpacked: tar, tgz, zip, long names', async () => {
  const source = temporaryFolder();
  const long = `${'deep-'.repeat(24)}/${'x'.repeat(120)}.json`;
  mkdirSync(join(source, 'mlp', long, '..'), { recursive: true });
  mkdirSync(join(source, 'mlp', 'golden'));
  writeFileSync(join(source, 'mlp', long), 'long');
  writeFileSync(join(source, 'mlp', 'model.yaml'), 'name: mlp');
  writeFileSync(join(source, 'mlp', 'golden', 'empty.json'), '');
  writeFileSync(join(source, 'mlp', 'model.onnx'), Buffer.alloc(300_000, 'model'));
  const files = [long, 'golden/empty.json', 'model.onnx', 'model.yaml'].sort();
  const packs = [
    ['tar', '--format=gnu', '-cf', 'gnu.tar', '-C', source, 'mlp'],
    ['tar', '--format=pax', '-czf', 'pax.tar.gz', '-C', source, 'mlp'],
    ['tar', '--format=ustar', '-czf', 'flat.tgz', '-C', join(source, 'mlp'), 'model.yaml', 'model.onnx'],
    ['python3', '-m', 'zipfile', '-c', 'a.zip', join(source, 'mlp')],
  ];
  const cwd = temporaryFolder();
  for (const [command, ...words] of packs) {
    execFileSync(command!, words, { cwd });
    const name = words.find((word) => /^[a-z]+\.(?:t|z)/.test(word))!;
    const root = await extract(join(cwd, name), target());
    expect(listed(root), name).toEqual(name === 'flat.tgz' ? ['model.onnx', 'model.yaml'] : files);
    expect(readFileSync(join(root, 'model.onnx')).equals(Buffer.alloc(300_000, 'model'))).toBe(true);
  }
});

test('nothing leads out of the folder: no paths, no links, no devices', async () => {
  const names = ['../x', '/etc/x', 'a/../../x', 'a\\..\\x', 'C:/x', 'a\nb', ''];
  for (const name of names) {
    for (const file of [
      written('a.tar', tarOf([{ name: name || '.', data: 'x' }])),
      written('a.zip', zipOf([{ name: name || '.', data: 'x' }])),
    ])
      await expect(extract(file, target()), name).rejects.toMatchObject({ code: 'MODEL_ARCHIVE' });
  }
  for (const type of ['1', '2', '3', '4', '6', 'S']) {
    const file = written('a.tar', tarOf([{ name: 'a', type, link: '/etc/passwd' }]));
    await expect(extract(file, target()), type).rejects.toThrow('only plain files');
  }
  const link = written('a.zip', zipOf([{ name: 'a', data: '/etc/passwd', mode: 0o120777 }]));
  await expect(extract(link, target())).rejects.toThrow('only plain files');
  const folder = temporaryFolder();
  symlinkSync('/etc', join(folder, 'etc'));
  execFileSync('tar', ['-cf', join(folder, 'a.tar'), '-C', folder, 'etc']);
  await expect(extract(join(folder, 'a.tar'), target())).rejects.toThrow('only plain files');
});

test('bombs, lies and damage are refused', async () => {
  const zeros = 'x'.repeat(70 * 1024 * 1024);
  const many = Array.from({ length: 1001 }, (_, i) => ({ name: `f${i}` }));
  const twice = [{ name: 'a' }, { name: './a' }];
  const cases: Record<string, string> = {
    'times its size': written('a.zip', zipOf([{ name: 'a', data: zeros }])),
    '1000 files': written('a.tar', tarOf(many)),
    'is there twice': written('a.tar', tarOf(twice)),
    'not what the zip': written('a.zip', zipOf([{ name: 'a', data: 'abc', size: 2 }])),
    'no zip archive': written('a.zip', Buffer.from('nothing')),
    'no tar archive': written('a.tar', Buffer.alloc(512, 'x')),
    'cannot be unpacked': written(
      'a.tgz',
      Buffer.concat([gzipSync('x').subarray(0, 12), Buffer.alloc(50, 7)]),
    ),
  };
  const cut = written('a.tar', tarOf([{ name: 'a', data: 'x'.repeat(5000) }]));
  truncateSync(cut, 3000);
  cases['ends in the middle'] = cut;
  for (const [message, file] of Object.entries(cases))
    await expect(extract(file, target()), message).rejects.toMatchObject({
      code: 'MODEL_ARCHIVE',
      message: expect.stringContaining(message),
    });
});
