import { defineConfig } from 'vitest/config';

/** `unit` is what `npm test` runs (offline, minutes); `full` needs a packed package and a browser; `real` needs Python peers. */
export default defineConfig({
  test: {
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    // A second, the default, is too short for a busy machine.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/full/**', 'test/real/**'] },
      },
      {
        extends: true,
        test: {
          name: 'full',
          include: ['test/full/**/*.test.ts'],
          testTimeout: 600_000,
          hookTimeout: 600_000,
        },
      },
      { extends: true, test: { name: 'real', include: ['test/real/**/*.test.ts'], testTimeout: 1_800_000 } },
    ],
  },
});
