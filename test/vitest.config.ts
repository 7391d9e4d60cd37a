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
    env: { ORT_DISABLE_TELEMETRY: '1', NO_COLOR: '1' },
  },
});
