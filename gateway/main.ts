#!/usr/bin/env node
// Only what every Node.js version can run stands here; the rest is imported once the version is known to do.
const NEEDED = 24;
const major = Number(process.versions.node.split('.')[0]);

if (major < NEEDED) {
  process.stderr.write(
    `aimx-gateway needs Node.js ${NEEDED} or newer; this is ${process.version}.\n` +
      'In a checkout, `npm ci && npm start` brings its own. Elsewhere: https://nodejs.org\n',
  );
  process.exitCode = 2;
} else {
  if (['start', 'demo'].some((command) => process.argv.includes(command))) {
    const { GATEWAY_SETTINGS, restartWith } = await import('./system/process-settings.ts');
    restartWith(GATEWAY_SETTINGS, process);
  }
  const { keepCompiledCode } = await import('./system/compile-cache.ts');
  keepCompiledCode(process.env);
  const { runCli } = await import('./commands/cli.ts');
  process.exitCode = await runCli(process.argv.slice(2), process);
}
