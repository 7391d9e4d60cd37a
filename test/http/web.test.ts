import { gzipSync } from 'node:zlib';
import { fastify } from 'fastify';
import { describe, expect, it } from 'vitest';
import { serveWeb } from '../../gateway/http/web/serve.ts';
import { loadWeb } from '../../gateway/http/web/web.ts';

const web = loadWeb();

const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, '');

describe('the dashboard', () => {
  it('brings its own scripts and style, and fetches nothing else', () => {
    expect(web.csp).toContain("default-src 'none'");
    expect(web.csp).toMatch(/script-src 'self' 'sha256-[^']+'/);
    expect(web.csp).toMatch(/style-src 'sha256-[^']+'/);
    expect(web.csp).not.toContain('unsafe');
    expect(web.html).not.toMatch(/(src|href)="?(https?:)?\/\//);
    expect(web.html).not.toMatch(/ style="| on\w+="/);
  });

  it('has every module that a module imports, without types', () => {
    const imports = JSON.parse(/<script type="importmap">(.*?)<\/script>/.exec(web.html)![1]!) as {
      imports: Record<string, string>;
    };
    const queue = [/<script type="module" src="([^"]+)"/.exec(web.html)![1]!];
    for (const address of queue) {
      const file = web.files.get(address);
      expect(file, address).toBeDefined();
      expect(file!.text).not.toMatch(/^\s*(?:export )?interface \w+ \{|^import type/m);
      for (const [, from] of withoutComments(file!.text).matchAll(
        /\b(?:from|import)\s*\(?\s*["']([^"']+)["']/g,
      )) {
        const next = from!.startsWith('.')
          ? new URL(from!, `http://x${address}`).pathname
          : imports.imports[from!]!;
        expect(next, `${from} in ${address}`).toBeDefined();
        if (!queue.includes(next)) queue.push(next);
      }
    }
    expect([...web.files.keys()].filter((address) => !queue.includes(address))).toEqual([]);
  });

  it('is under 200 kB compressed, all of it', () => {
    const size = [web.html, ...[...web.files.values()].map(({ text }) => text)]
      .map((text) => gzipSync(text).length)
      .reduce((sum, one) => sum + one);
    expect(size).toBeLessThan(200_000);
  });

  it('is compressed for whom it may be, and kept by browsers under an address that changes with it', async () => {
    const app = fastify();
    serveWeb(app);
    const [address, file] = [...web.files][0]!;
    const packed = await app.inject({ url: address, headers: { 'accept-encoding': 'br, gzip' } });
    expect(packed.headers['content-encoding']).toBe('gzip');
    expect(packed.headers['cache-control']).toContain('immutable');
    const plain = await app.inject({ url: address });
    expect(plain.body).toBe(file.text);
    expect(plain.headers['content-type']).toContain('text/javascript');
    expect((await app.inject({ url: '/' })).headers['cache-control']).toBe('no-cache');
    await app.close();
  });
});
