import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openSentinel } from '../../../sensors/linux/sentinel/index.ts';
import { sentinelProgram } from '../../../sensors/linux/sentinel/machine-code.ts';
import { liveUnavailable, testCgroup } from '../../support/live.ts';

const skip = liveUnavailable();

describe.skipIf(skip)(`a sentinel${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('finds that nothing acts on it where nothing does, and leaves nothing behind', async () => {
    const cgroup = testCgroup();
    try {
      const hooks = [
        'lsm/file_open',
        'lsm/path_unlink',
        'lsm/path_rename',
        'lsm/path_link',
        'lsm/path_symlink',
        'lsm/path_chmod',
        'lsm/task_kill',
        'lsm/task_fix_setuid',
        'cgroup/connect4',
        'cgroup/bind4',
        'cgroup/sendmsg4',
        'lsm/bprm_check_security',
      ];
      const sentinel = await openSentinel(cgroup.path, hooks);
      expect(readdirSync(cgroup.folder).filter((name) => name.startsWith('shrike-sentinel-'))).toHaveLength(1);
      const why = 'its verdict had no effect: the call was made';
      expect(await sentinel.provoke()).toEqual(hooks.map((hook) => ({ hook, proven: false, why })));
      await sentinel.close();
      expect(readdirSync(cgroup.folder).filter((name) => name.startsWith('shrike-sentinel-'))).toEqual([]);
    } finally {
      await cgroup.remove();
    }
  });

  it('has no call for a hook that none does no harm at', async () => {
    const cgroup = testCgroup();
    try {
      const sentinel = await openSentinel(cgroup.path, ['lsm/inode_create']);
      expect(await sentinel.provoke()).toEqual([
        { hook: 'lsm/inode_create', proven: false, why: 'there is no harmless call to try it with' },
      ]);
      await sentinel.close();
    } finally {
      await cgroup.remove();
    }
  });

  it('goes on where an exec was let through, and says so of a kill that did not come', async () => {
    const cgroup = testCgroup();
    try {
      for (const [hook, why] of [
        ['tp_btf/sched_process_exec', 'its verdict had no effect: the program ran'],
        ['tp_btf/sys_exit', 'its verdict had no effect: the process goes on'],
      ] as const) {
        const sentinel = await openSentinel(cgroup.path, [hook]);
        expect(await sentinel.provoke()).toEqual([{ hook, proven: false, why }]);
        await sentinel.close();
      }
    } finally {
      await cgroup.remove();
    }
  });

  it('can not be where there is no such cgroup', async () => {
    await expect(openSentinel('/shrike-no-such-cgroup', ['lsm/file_open'])).rejects.toThrow(
      "a cgroup can't be made below /shrike-no-such-cgroup (ENOENT)",
    );
    expect(existsSync('/shrike-no-such-cgroup')).toBe(false);
  });
});

describe('the program of a sentinel', () => {
  it('is an ELF file of one segment that starts behind its headers', () => {
    const program = sentinelProgram([], [[{ name: 'a', nr: 39, arguments: [] }]]);
    const view = new DataView(program.buffer);
    expect([...program.subarray(0, 7)]).toEqual([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    expect([view.getUint16(16, true), view.getUint16(18, true), view.getUint16(56, true)]).toEqual([2, 62, 1]);
    expect(view.getBigUint64(24, true)).toBe(0x400078n);
    expect(view.getBigUint64(96, true)).toBe(BigInt(program.length));
  });

  it('refuses more than it has room for', () => {
    const call = { name: 'a', nr: 39, arguments: [1, 2, 3, 4, 5, 6] };
    expect(() => sentinelProgram([], [Array(300).fill(call)])).toThrow('the calls are too many for one program');
    expect(() => sentinelProgram([{ ...call, arguments: [new Uint8Array(20_000)] }], [])).toThrow(
      "the calls' arguments are too large for one program",
    );
    expect(() => sentinelProgram([{ ...call, arguments: [1, 2, 3, 4, 5, 6, 7] }], [])).toThrow(
      'a call has six arguments at most',
    );
  });
});
