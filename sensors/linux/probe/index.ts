export { probeFeatures, probeLevel } from './features.ts';
export { type HookObstacle, PROBED_HOOKS, probeHook } from './hooks.ts';
export { createProber, type Prober, type Refusal } from './prober.ts';
