import { defineConfig } from 'vitest/config';
import { suiteSize } from './test/support/counts.ts';
import { plantFault } from './test/support/plant-fault.ts';

/** Folders whose tests call functions, or start processes: nothing that one of their files does is seen by another. */
const APART = [
  'agent',
  'alerts',
  'bench',
  'cli',
  'conformance',
  'docs',
  'e2e',
  'enforcement',
  'engine',
  'kernel',
  'objects',
  'policies',
  'recordings',
  'rules',
  'scripts',
  'sensors/events',
  'sensors/replay',
  'sensors/sim',
];
const apart = APART.map((folder) => `test/${folder}/**/*.test.ts`);

export default defineConfig({
  plugins: [plantFault(process.env.SHRIKE_FAULT)],
  test: {
    testTimeout: 60_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: 'apart',
          include: apart,
          // Reading the modules again for each file costs more than most of these tests do. In larger sizes the tests do more, and
          // the WebAssembly modules that they compile are given back only when a process ends.
          isolate: suiteSize !== 'quick',
        },
      },
      { extends: true, test: { name: 'whole', include: ['test/**/*.test.ts'], exclude: apart } },
    ],
  },
});
