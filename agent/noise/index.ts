export { keyOf } from './key.ts';
export { createNoise, type Noise, untoldOf } from './noise.ts';
export type { RuleNoise } from './rule-noise.ts';
