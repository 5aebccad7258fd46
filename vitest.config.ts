import { defineConfig } from 'vitest/config';
import { suiteSize } from './test/support/counts.ts';
import { plantFault } from './test/support/plant-fault.ts';

export default defineConfig({
  plugins: [plantFault(process.env.SHRIKE_FAULT)],
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
    // Reading the modules again for each file costs more than most of these tests do. In larger sizes the tests do more, and the WebAssembly
    // modules that they compile are given back only when a process ends.
    isolate: suiteSize !== 'quick',
  },
});
