export { PROBED_HELPERS } from './abilities.ts';
export { probeFeatures } from './features.ts';
export type { Finding } from './finding.ts';
export { findingsOf, isHopeless } from './findings.ts';
export { explainHook } from './hook-findings.ts';
export type { Obstacle } from './obstacle.ts';
export { createProber, type Prober } from './prober.ts';
export { type KernelReport, probeKernel } from './report.ts';
