import { expect, it } from 'vitest';
import {
  add,
  call,
  type Item,
  ldx,
  ldxField,
  mov,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R10,
  st,
  stx,
} from '../../../engine/isa/index.ts';
import { createSimHost, type SimHostOptions } from '../../../sensors/index.ts';
import { observe } from './attached.ts';

const [GET_PID_TGID, PROBE_READ_KERNEL, PROBE_READ_USER_STR, GET_TASK] = [14, 113, 114, 158];
const AT_FDCWD = -100;
const CALLS = 200;

/** Number, result, pid, the first bytes of the path as passed and of comm: typed loads, and helpers of several kinds. */
const FILL: readonly Item[] = [
  ldx('dw', R6, R1, 0),
  ldx('dw', R7, R1, 8),
  stx('dw', R10, -8, R7),
  ldxField('dw', R7, R6, 'pt_regs.orig_ax'),
  stx('dw', R10, -16, R7),
  call(GET_PID_TGID),
  stx('dw', R10, -24, R0),
  st('dw', R10, -32, 0),
  mov(R1, R10),
  add(R1, -32),
  mov(R2, 8),
  ldxField('dw', R3, R6, 'pt_regs.si'),
  call(PROBE_READ_USER_STR),
  call(GET_TASK),
  mov(R1, R10),
  add(R1, -40),
  mov(R2, 8),
  mov(R3, R0),
  call(PROBE_READ_KERNEL),
  mov(R0, 0),
];

/** What a program saw of the same calls, and what memory was taken. */
const recorded = (options: SimHostOptions): unknown => {
  const host = createSimHost(options);
  const records = observe(host, 'tp_btf/sys_exit', 5, FILL);
  const task = host.spawn({ exepath: '/usr/bin/bash', uid: 0 });
  host.fs.write('/etc/motd', 'hello\n', 0o644);
  const seen: bigint[][] = [];
  for (let n = 0; n < CALLS; n++) {
    host.call(task, 'openat', [AT_FDCWD, n % 2 === 0 ? '/etc/motd' : `/none/${n}`, 0, 0]);
    seen.push(...records());
  }
  return { seen, stats: host.kernel.stats() };
};

it('gives the same whatever runs the programs, and however often', () => {
  const interpreted = recorded({ engine: 'interpreter' }) as { seen: bigint[][]; stats: unknown };
  expect(interpreted.seen).toHaveLength(CALLS);
  expect(interpreted.stats).toMatchObject([{ runs: CALLS }]);
  expect(recorded({ engine: 'jit' })).toEqual(interpreted);
  expect(recorded({ engine: 'tiered' })).toEqual(interpreted);
  expect(recorded({})).toEqual(interpreted);
});
