import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runCli } from '../../gateway/commands/cli.ts';
import { Identities } from '../../gateway/security/identities.ts';
import { verifySecret } from '../../gateway/security/secrets.ts';
import { recordingTerminal } from '../support/terminal.ts';
import { temporaryFolder } from '../support/tmp.ts';

const BUNDLED = new URL('../../models/', import.meta.url).pathname;

function site(): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'gateway.yaml'), 'streams:\n  - { id: a }\n');
  return folder;
}

async function run(argv: string[], cwd: string) {
  const terminal = recordingTerminal(cwd);
  return { code: await runCli(argv, terminal), out: terminal.out(), err: terminal.err() };
}

describe('tokens', () => {
  it('adds one that is shown once, lists and revokes it', async () => {
    const folder = site();
    const { token } = JSON.parse((await run(['tokens', 'add', 'prometheus', '--json'], folder)).out);
    const [id, secret] = token.split('.');
    const known = new Identities(join(folder, 'data'));
    expect(await verifySecret(known.token(id)!.secret, secret)).toBe(true);
    expect(readFileSync(known.file, 'utf8')).not.toContain(secret);
    expect(statSync(known.file).mode & 0o777).toBe(0o600);
    const [listed] = JSON.parse((await run(['tokens', 'list', '--json'], folder)).out);
    expect(listed).toMatchObject({ name: 'prometheus', role: 'viewer' });
    expect(await run(['tokens', 'add', 'prometheus'], folder)).toMatchObject({ code: 1 });
    expect(await run(['tokens', 'revoke', 'prometheus'], folder)).toMatchObject({ code: 0 });
    expect(JSON.parse((await run(['tokens', 'list', '--json'], folder)).out)).toEqual([]);
  });

  it('teaches what it takes', async () => {
    const folder = site();
    expect(await run(['tokens'], folder)).toMatchObject({
      code: 2,
      err: expect.stringContaining('tokens add'),
    });
    const role = await run(['tokens', 'add', 'x', '--role', 'king'], folder);
    expect(role).toMatchObject({ code: 2, err: expect.stringContaining('admin, viewer') });
    const unknown = await run(['tokens', 'revoke', 'nobody'], folder);
    expect(unknown).toMatchObject({ code: 1, err: expect.stringContaining('tokens list') });
  });
});

describe('models', () => {
  it('adds a bundle and a bare file, and verifies them', async () => {
    const folder = site();
    const bundle = join(folder, 'mine');
    cpSync(join(BUNDLED, 'room-comfort'), bundle, { recursive: true });
    const manifest = readFileSync(join(bundle, 'model.yaml'), 'utf8');
    writeFileSync(join(bundle, 'model.yaml'), manifest.replace(/^name: .*$/m, 'name: mine'));
    const added = await run(['models', 'add', bundle, '--json'], folder);
    expect(JSON.parse(added.out)).toMatchObject({ model: 'mine@1', goldenSamples: expect.any(Number) });
    const file = join(folder, 'Press 1.onnx');
    cpSync(join(BUNDLED, 'streaming-anomaly/model.onnx'), file);
    const bare = await run(['models', 'add', file], folder);
    expect(bare).toMatchObject({ code: 0, out: expect.stringContaining('recorded here') });
    expect(readdirSync(join(folder, 'data/models')).sort()).toEqual([
      'footprints.json',
      'mine-1',
      'press-1-1',
    ]);
    const verdicts = await run(['models', 'verify', 'mine', '--json'], folder);
    expect(JSON.parse(verdicts.out)).toMatchObject([{ model: 'mine@1', ok: true }]);
    expect((await run(['models', 'add', bundle], folder)).code).toBe(1);
  });

  it('fails for a bundle whose file was changed, and tells of names that do not exist', async () => {
    const folder = site();
    const hidden = await run(['models', 'add', join(BUNDLED, 'room-comfort/model.onnx')], folder);
    expect(hidden).toMatchObject({ code: 1, err: expect.stringContaining('installed already') });
    const file = join(folder, 'press.onnx');
    cpSync(join(BUNDLED, 'streaming-anomaly/model.onnx'), file);
    await run(['models', 'add', file], folder);
    writeFileSync(join(folder, 'data/models/press-1/model.onnx'), 'something else');
    const verdicts = await run(['models', 'verify', 'press'], folder);
    expect(verdicts).toMatchObject({ code: 1, out: expect.stringContaining('sha256') });
    const unknown = await run(['models', 'verify', 'room-comfrt@1'], folder);
    expect(unknown).toMatchObject({ code: 2, err: expect.stringContaining('Did you mean room-comfort@1?') });
    expect(await run(['models', 'add', '/nowhere'], folder)).toMatchObject({
      code: 1,
      err: expect.stringContaining('Name a bundle folder'),
    });
  });
});
