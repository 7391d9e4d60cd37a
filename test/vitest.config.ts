import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    include: ['test/**/*.test.ts', 'flows/**/*.test.ts'],
    // Suites open real sockets and fork real processes: one process per file keeps them apart.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A busy shared machine may starve a forked broker for seconds. One more try there; the report names who needed it.
    retry: process.env.CI ? 1 : 0,
    env: { ORT_DISABLE_TELEMETRY: '1', NO_COLOR: '1' },
  },
});
