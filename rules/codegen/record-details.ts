import type { TaskDetail } from '../plan/index.ts';

/** Numbers of the head that only `TASK_DETAILS` tells the presence of. */
export const DETAIL_AT = {
  vpid: ['vpid', 4],
  vtid: ['vtid', 4],
  pvpid: ['pvpid', 4],
  sid: ['sid', 4],
  pgid: ['pgid', 4],
  vpgid: ['vpgid', 4],
  tty: ['tty', 4],
  threads: ['threads', 4],
  capEffective: ['capabilities', 8],
  capPermitted: ['capabilities', 8],
  capInheritable: ['capabilities', 8],
} as const satisfies Record<string, readonly [TaskDetail, 4 | 8]>;

/** Numbers of the head that are there only where a rule asks for them. */
export type RecordDetail = keyof typeof DETAIL_AT;
