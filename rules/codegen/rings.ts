import type { Priority } from '../rule.ts';

/** The ring buffers: records of rules of a critical priority have one of their own, which a flood of others can't fill. */
export const RINGS = ['critical', 'events'] as const;
export type Ring = (typeof RINGS)[number];

/** Priorities whose records go to the ring `critical`. */
export const CRITICAL_PRIORITIES: ReadonlySet<Priority> = new Set<Priority>(['emergency', 'alert', 'critical']);

/** In the only value of the map `lost`: for each hook by its index, a u64 for each ring, and one for runs that found no scratch value. */
export const LOST = { bytesPerHook: 8 * (RINGS.length + 1) } as const;

/** BPF_RB_NO_WAKEUP: whoever reads looks by a clock. */
export const NO_WAKEUP = 1;

/** Offset in the value of `lost` of what a hook lost in a ring. */
export const lostAt = (hook: number, ring: Ring): number => LOST.bytesPerHook * hook + 8 * RINGS.indexOf(ring);

/** Offset in the value of `lost` of the runs of a hook's program that found all scratch values of their CPU in use. */
export const busyAt = (hook: number): number => LOST.bytesPerHook * hook + 8 * RINGS.length;
