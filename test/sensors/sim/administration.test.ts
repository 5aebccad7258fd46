import { describe, expect, it } from 'vitest';
import { assemble, call, exit, mov, R0, R1, R2 } from '../../../engine/isa/index.ts';
import type { FeatureLevel } from '../../../engine/object/index.ts';
import { createSimHost, type SimArgument, type SimHost } from '../../../sensors/index.ts';

const [EPERM, ENOENT, ESRCH, E2BIG, ENOEXEC, EBADF, EFAULT] = [1, 2, 3, 7, 8, 9, 14];
const [ENOTBLK, EEXIST, ENODEV, EINVAL, EOPNOTSUPP, ENOKEY] = [15, 17, 19, 22, 95, 126];
const [AF_PACKET, SOCK_RAW, ESOCKTNOSUPPORT] = [17, 3, 94];
const ROOTKIT = '\x7fELF\0name=rootkit\0';

const attribute = (...words: number[]): Uint8Array => new Uint8Array(Uint32Array.of(...words).buffer);
const vector = (address: bigint, length: bigint): Uint8Array =>
  new Uint8Array(BigUint64Array.of(address, length).buffer);

interface Case {
  readonly name: string;
  readonly uid?: number;
  readonly args: (host: SimHost) => readonly SimArgument[];
  readonly result: number;
}
const by = (name: string, uid: number, result: number, ...args: SimArgument[]): Case => ({
  name,
  uid,
  args: () => args,
  result,
});

/** Results as the manual pages in section 2 give them; what the name doesn't say is in the call's own page. */
const CASES: readonly Case[] = [
  by('init_module', 1000, -EPERM, ROOTKIT, ROOTKIT.length, ''),
  by('init_module', 0, -EFAULT, null, 64, ''),
  by('init_module', 0, -ENOEXEC, 'not an image!', 13, ''),
  by('init_module', 0, -EEXIST, 'dummy', 5, ''),
  by('init_module', 0, 0, ROOTKIT, ROOTKIT.length, ''),
  by('finit_module', 1000, -EPERM, 0, '', 0),
  by('finit_module', 0, -EBADF, 99, '', 0),
  by('finit_module', 0, -EINVAL, 0, '', 64),
  by('finit_module', 0, -EINVAL, 0, '', 0),
  by('delete_module', 1000, -EPERM, 'dummy', 0),
  by('delete_module', 0, -ENOENT, 'rootkit', 0),
  by('delete_module', 0, 0, 'dummy', 0),
  by('bpf', 1000, -EPERM, 5, attribute(1, 2), 8),
  by('bpf', 1000, -EPERM, 0, attribute(1, 4, 4, 1), 16),
  by('bpf', 0, 3, 5, attribute(1, 2), 8),
  by('bpf', 0, -E2BIG, 5, attribute(1, 0), 8),
  by('bpf', 0, -E2BIG, 5, attribute(1, 2), 5000),
  by('bpf', 0, -EINVAL, 5, attribute(999, 2), 8),
  by('bpf', 0, 3, 0, attribute(1, 4, 4, 1), 16),
  by('bpf', 0, -EINVAL, 0, attribute(0, 4, 4, 1), 16),
  by('bpf', 0, -EINVAL, 999, attribute(1), 4),
  by('bpf', 0, -EBADF, 1, attribute(99), 4),
  by('bpf', 0, -ENOENT, 11, attribute(0), 4),
  by('bpf', 1000, -EPERM, 11, attribute(0), 4),
  by('userfaultfd', 1000, -EPERM, 0),
  by('userfaultfd', 1000, 3, 1),
  by('userfaultfd', 0, 3, 0o2000000),
  by('userfaultfd', 0, -EINVAL, 4),
  by('sethostname', 1000, -EPERM, 'x', 1),
  by('sethostname', 0, -EINVAL, 'x', 65),
  by('sethostname', 0, -EINVAL, 'x', -1),
  by('sethostname', 0, 0, 'x', 1),
  by('setdomainname', 0, 0, 'x', 1),
  by('keyctl', 1000, -EOPNOTSUPP, 99),
  by('keyctl', 1000, -ENOKEY, 11, 1, null, 0),
  by('quotactl', 0, -EINVAL, (0x800007 << 8) | 3, '/dev/null', 0, null),
  by('quotactl', 0, -ENODEV, 0x800007 << 8, null, 0, null),
  by('quotactl', 0, -ENOTBLK, 0x800007 << 8, '/dev/null', 0, null),
  by('quotactl', 0, -ENOENT, 0x800007 << 8, '/dev/none', 0, null),
  by('quotactl', 0, 0, 0x800001 << 8, null, 0, null),
  by('process_vm_readv', 0, 0, 1, vector(0n, 0n), 1, vector(0n, 8n), 1, 0),
  by('process_vm_readv', 0, -ESRCH, 9999, vector(8n, 8n), 1, vector(8n, 8n), 1, 0),
  by('process_vm_readv', 1000, -EPERM, 1, vector(8n, 8n), 1, vector(8n, 8n), 1, 0),
  by('process_vm_readv', 0, -EFAULT, 1, vector(8n, 8n), 1, vector(8n, 8n), 1, 0),
  by('process_vm_writev', 0, -EINVAL, 1, vector(8n, 8n), 1, vector(8n, 8n), 1, 1),
  by('process_vm_writev', 0, -EINVAL, 1, vector(8n, 8n), 1025, vector(8n, 8n), 1, 0),
  by('kexec_load', 1000, -EPERM, 0, 0, null, 0),
  by('mount', 1000, -EPERM, 'none', '/mnt', 'tmpfs', 0, null),
  by('mount', 0, -ENODEV, 'none', '/mnt', 'nosuchfs', 0, null),
  by('mount', 0, -ENOENT, 'none', '/none', 'tmpfs', 0, null),
  by('mount', 0, -ENOTBLK, '/dev/null', '/mnt', 'ext4', 0, null),
  by('umount2', 1000, -EPERM, '/proc', 0),
  by('socket', 1000, -EPERM, AF_PACKET, SOCK_RAW, 3),
  by('socket', 0, 3, AF_PACKET, SOCK_RAW, 3),
  by('socket', 0, -ESOCKTNOSUPPORT, AF_PACKET, 1, 3),
];

describe('calls of administrators', () => {
  it.each(CASES.map((each, index) => ({ ...each, index })))('$index: $name gives uid $uid $result', (each) => {
    const host = createSimHost();
    const task = host.spawn({ exepath: '/usr/bin/bash', uid: each.uid ?? 0 });
    expect(host.call(task, each.name, each.args(host)).result).toBe(each.result);
  });

  it('modules are there once they are loaded, and gone once they are removed', () => {
    const host = createSimHost();
    host.fs.write('/root/other.ko', '\x7fELF');
    const task = host.spawn({ exepath: '/usr/sbin/insmod' });
    const result = (name: string, ...args: SimArgument[]) => host.call(task, name, args).result;
    expect(result('init_module', ROOTKIT, ROOTKIT.length, '')).toBe(0);
    expect(result('init_module', ROOTKIT, ROOTKIT.length, '')).toBe(-EEXIST);
    expect(result('open', '/root/other.ko', 0, 0)).toBe(3);
    expect(result('finit_module', 3, '', 0)).toBe(0);
    expect(host.fs.read('/proc/modules').match(/^\S+/gm)).toEqual(['dummy', 'rootkit', 'other']);
    expect(result('delete_module', 'rootkit', 0)).toBe(0);
    expect(result('delete_module', 'rootkit', 0)).toBe(-ENOENT);
    expect(host.fs.read('/proc/modules')).not.toContain('rootkit');
  });

  it("process_vm_readv reads a program's arguments, where its memory has them", () => {
    const host = createSimHost();
    const argv = ['sleep', 'infinity'];
    const other = host.spawn({ exepath: '/usr/bin/sleep', argv, env: [] });
    const task = host.spawn({ exepath: '/usr/bin/gdb' });
    const end = 0x7fff_ffff_f000n - 8n - BigInt('/usr/bin/sleep'.length + 1);
    const bytes = BigInt(argv.join('\0').length + 1);
    const args = [other.pid, vector(8n, 100n), 1, vector(end - bytes, bytes), 1, 0];
    const { result, data } = host.call(task, 'process_vm_readv', args);
    expect([result, new TextDecoder().decode(data)]).toEqual([Number(bytes), 'sleep\0infinity\0']);
  });
});

/** bpf_cgrp_storage_get, which came with Linux 6.2 (include/uapi/linux/bpf.h). */
const CGRP_STORAGE_GET = 210;

describe('a feature level', () => {
  const load = (level: FeatureLevel, helper: number, hook: 'tp_btf/sys_exit' | 'tp_btf/io_uring_submit_req') => {
    const { kernel } = createSimHost({ level, memory: 16 * 1024 * 1024 });
    const items = [mov(R1, 0), mov(R2, 0), call(helper), mov(R0, 0), exit()];
    return kernel.loadProgram({ name: 'test', hook, ...assemble(items) }, new Map());
  };
  const GET_PRANDOM_U32 = 7;

  it('has the tracepoint of io_uring by the name that its kernel has', () => {
    expect(() => load('6.1', GET_PRANDOM_U32, 'tp_btf/io_uring_submit_req')).toThrow(
      'program test: the simulated kernel has no hook tp_btf/io_uring_submit_req; it has raw_tp/sys_enter, ',
    );
    expect(load('6.12', GET_PRANDOM_U32, 'tp_btf/io_uring_submit_req').hook).toBe('tp_btf/io_uring_submit_req');
  });

  it('has the helpers that its kernel has', () => {
    expect(() => load('6.1', CGRP_STORAGE_GET, 'tp_btf/sys_exit')).toThrow(/6\.2/);
    expect(() => load('6.12', CGRP_STORAGE_GET, 'tp_btf/sys_exit')).toThrow(/r1/);
  });
});
