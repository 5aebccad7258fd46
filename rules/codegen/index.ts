export { ASKING, askingTaskProgram } from './asking-task.ts';
export { KILLS, MAX_DOUBLINGS, MAX_KILLS } from './budget.ts';
export { FIRST_NODE, NO, YES } from './chain.ts';
export { CONFIG, SWITCH } from './config.ts';
export type { ProcessLayout } from './context.ts';
export { dispatchProgram, GENERATION_MAP, generationPlace, HOOK_PROGRAMS_MAP } from './dispatch.ts';
export { type FactRows, factColumn, factRow, factRowKey } from './facts.ts';
export * from './layout.ts';
export { BUCKET, MAX_BUCKETS, rulesLimitedInKernel } from './limits.ts';
export type { Decision, DecisionStep } from './matching.ts';
export { type Generated, generate, processKey, processValue } from './object.ts';
export * from './outcome.ts';
export * from './record.ts';
export type { RecordDetail } from './record-details.ts';
export { busyAt, CRITICAL_PRIORITIES, lostAt, RINGS, type Ring } from './rings.ts';
export { STEPS_MAP } from './sequence.ts';
export { SNAPSHOT, SNAPSHOT_MAP, snapshotProgram } from './snapshot.ts';
export { callPlace } from './sys-exit.ts';
export {
  decodeWindow,
  isWindow,
  lastInWindow,
  MAX_WINDOWS,
  WINDOW_MAPS,
  type WindowRecord,
  windowEntry,
  windowLife,
} from './threshold.ts';
