export { type Abilities, PROBED_HELPERS } from './abilities.ts';
export type { CgroupReport, MemoryReport } from './cgroup.ts';
export { probeFeatures, probeLevel } from './features.ts';
export { type HookObstacle, PROBED_HOOKS, probeHook } from './hooks.ts';
export type { Capability, Privileges } from './privileges.ts';
export { createProber, type Prober, type Refusal } from './prober.ts';
export { type KernelReport, type ProbeOptions, probeKernel } from './report.ts';
