import { defineConfig } from 'vitest/config';
import { plantFault } from './test/support/plant-fault.ts';

export default defineConfig({
  plugins: [plantFault(process.env.SHRIKE_FAULT)],
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
  },
});
