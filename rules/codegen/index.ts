export { CONFIG } from './config.ts';
export { type FactRows, factRow, factRowKey } from './facts.ts';
export * from './layout.ts';
export { BUCKET } from './limits.ts';
export { type Generated, generate, processKey, processValue } from './object.ts';
export { CRITICAL_PRIORITIES, lostAt, RINGS, type Ring } from './output.ts';
export * from './record.ts';
export { SNAPSHOT, SNAPSHOT_MAP, snapshotProgram } from './snapshot.ts';
export { callPlace } from './sys-exit.ts';
