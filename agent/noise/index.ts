export { keyOf } from './key.ts';
export { CRITICAL_FACTOR, createNoise, DEFAULT_STORM_LIMIT, type Noise } from './noise.ts';
export type { RuleNoise } from './rule-noise.ts';
