import { readlinkSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ownPid } from '../../../sensors/linux/own-pid.ts';
import { kernelSkip } from '../../support/kernel.ts';

/** PROC_PID_INIT_INO (include/linux/proc_ns.h): the first pid namespace's. */
const FIRST = 'pid:[4026531836]';

describe.skipIf(kernelSkip())('ownPid', () => {
  it('is the process id in the first pid namespace', () => {
    const own = ownPid();
    if (readlinkSync('/proc/self/ns/pid') === FIRST) expect(own).toBe(process.pid);
    else expect(own).toBeGreaterThan(process.pid);
    expect(ownPid()).toBe(own);
  });
});
