import { describe, expect, it } from 'vitest';
import { createBtfBuilder, hookOfSection, parseBtf, parseSection, SectionError } from '../../../engine/object/index.ts';

/** Names and numbers of tools/lib/bpf/libbpf.c (section_defs) and include/uapi/linux/bpf.h. */
describe('names of sections', () => {
  it.each([
    ['socket', 'socket_filter', undefined, undefined, false],
    ['kprobe/tcp_v4_connect', 'kprobe', undefined, 'tcp_v4_connect', false],
    ['kprobe', 'kprobe', undefined, undefined, false],
    ['kretprobe/f', 'kprobe', undefined, 'f', false],
    ['ksyscall/openat', 'kprobe', undefined, 'openat', false],
    ['uprobe//usr/bin/bash:readline', 'kprobe', undefined, '/usr/bin/bash:readline', false],
    ['uprobe.s/x', 'kprobe', undefined, 'x', true],
    ['kprobe.multi/tcp_*', 'kprobe', 42, 'tcp_*', false],
    ['tracepoint/syscalls/sys_enter_openat', 'tracepoint', undefined, 'syscalls/sys_enter_openat', false],
    ['tp/sched/sched_switch', 'tracepoint', undefined, 'sched/sched_switch', false],
    ['raw_tp/sys_enter', 'raw_tracepoint', undefined, 'sys_enter', false],
    ['raw_tracepoint/sys_enter', 'raw_tracepoint', undefined, 'sys_enter', false],
    ['raw_tp.w/x', 'raw_tracepoint_writable', undefined, 'x', false],
    ['tp_btf/sys_exit', 'tracing', 23, 'sys_exit', false],
    ['?fentry/f', 'tracing', 24, 'f', false],
    ['fentry.s/f', 'tracing', 24, 'f', true],
    ['fexit/f', 'tracing', 25, 'f', false],
    ['fmod_ret/f', 'tracing', 26, 'f', false],
    ['lsm/file_open', 'lsm', 27, 'file_open', false],
    ['lsm.s/file_open', 'lsm', 27, 'file_open', true],
    ['lsm_cgroup/socket_bind', 'lsm', 43, 'socket_bind', false],
    ['iter/task', 'tracing', 28, 'task', false],
    ['iter.s/task', 'tracing', 28, 'task', true],
    ['syscall', 'syscall', undefined, undefined, true],
    ['xdp', 'xdp', 37, undefined, false],
    ['xdp.frags', 'xdp', 37, undefined, false],
    ['xdp/devmap', 'xdp', 33, undefined, false],
    ['xdp/cpumap', 'xdp', 35, undefined, false],
    ['tc', 'sched_cls', undefined, undefined, false],
    ['classifier', 'sched_cls', undefined, undefined, false],
    ['tcx/ingress', 'sched_cls', 46, undefined, false],
    ['tc/egress', 'sched_cls', 47, undefined, false],
    ['perf_event', 'perf_event', undefined, undefined, false],
    ['cgroup_skb/ingress', 'cgroup_skb', 0, undefined, false],
    ['cgroup_skb/egress', 'cgroup_skb', 1, undefined, false],
    ['cgroup/sock_create', 'cgroup_sock', 2, undefined, false],
    ['cgroup/sock_release', 'cgroup_sock', 34, undefined, false],
    ['cgroup/post_bind6', 'cgroup_sock', 13, undefined, false],
    ['cgroup/bind4', 'cgroup_sock_addr', 8, undefined, false],
    ['cgroup/connect6', 'cgroup_sock_addr', 11, undefined, false],
    ['cgroup/sendmsg4', 'cgroup_sock_addr', 14, undefined, false],
    ['cgroup/recvmsg6', 'cgroup_sock_addr', 20, undefined, false],
    ['cgroup/getpeername4', 'cgroup_sock_addr', 29, undefined, false],
    ['cgroup/getsockname6', 'cgroup_sock_addr', 32, undefined, false],
    ['cgroup/connect_unix', 'cgroup_sock_addr', 49, undefined, false],
    ['cgroup/dev', 'cgroup_device', 6, undefined, false],
    ['cgroup/sysctl', 'cgroup_sysctl', 18, undefined, false],
    ['cgroup/getsockopt', 'cgroup_sockopt', 21, undefined, false],
    ['cgroup/setsockopt', 'cgroup_sockopt', 22, undefined, false],
  ])('%s', (section, programType, attachType, target, sleepable) => {
    const parsed = parseSection(section);
    expect([parsed.programType, parsed.attachType, parsed.target, parsed.sleepable]).toEqual([
      programType,
      attachType,
      target,
      sleepable,
    ]);
  });

  it('say what of the kernel they are loaded for', () => {
    expect(parseSection('tp_btf/sys_exit').btf).toEqual({ kind: 'typedef', name: 'btf_trace_sys_exit' });
    expect(parseSection('lsm.s/file_open').btf).toEqual({ kind: 'func', name: 'bpf_lsm_file_open' });
    expect(parseSection('iter/task').btf).toEqual({ kind: 'func', name: 'bpf_iter_task' });
    expect(parseSection('fexit/f').btf).toEqual({ kind: 'func', name: 'f' });
    expect(parseSection('xdp').btf).toBeUndefined();
  });

  it.each([
    ['xpd', 'section "xpd" names no hook that libbpf knows; did you mean "xdp"?'],
    ['cgroup/conect4', 'section "cgroup/conect4" names no hook that libbpf knows; did you mean "cgroup/connect4"?'],
    ['xdp/eth0', 'section "xdp/eth0" names no hook that libbpf knows'],
    ['constructor', 'section "constructor" names no hook that libbpf knows'],
    ['', 'section "" names no hook that libbpf knows'],
    ['struct_ops/x', 'section "struct_ops/x": programs of this type are not supported'],
    ['fentry', 'section "fentry" does not say what to attach to; write "fentry/NAME" with a function of the kernel'],
    ['tp_btf/', 'section "tp_btf/" does not say what to attach to; write "tp_btf/NAME" with a tracepoint'],
    ['lsm.s', 'section "lsm.s" does not say what to attach to; write "lsm.s/NAME" with an LSM hook'],
    ['iter', 'section "iter" does not say what to attach to; write "iter/NAME" with an iterator'],
  ])('%j is refused', (section, expected) => {
    expect(() => parseSection(section)).toThrow(new SectionError(expected));
  });
});

describe('hooks of a kernel', () => {
  const builder = createBtfBuilder();
  const int = builder.int('int', 4, true);
  const task = builder.struct('task_struct', 4, [{ name: 'pid', type: int, offset: 0 }]);
  const pointer = builder.pointer(task);
  const big = builder.struct('big', 16, [{ name: 'x', type: int, offset: 0 }]);
  const void_ = builder.pointer(0);
  const parameters = (...types: readonly (readonly [string, number])[]) =>
    types.map(([name, type]) => ({ name, type }));
  const proto = builder.funcProto(0, parameters(['', void_], ['', pointer], ['', int]));
  builder.typedef('btf_trace_thing', builder.pointer(proto));
  builder.func(
    '__traceiter_thing',
    builder.funcProto(int, parameters(['__data', void_], ['task', pointer], ['n', int])),
  );
  builder.func(
    'traced',
    builder.funcProto(int, parameters(['task', builder.const(pointer)], ['by_value', big], ['n', int])),
  );
  builder.func('quiet', builder.funcProto(0, parameters(['n', int])));
  builder.func(
    'many',
    builder.funcProto(
      0,
      Array.from({ length: 13 }, (_, i) => ({ name: `a${i}`, type: int })),
    ),
  );
  builder.func('bpf_lsm_gate', builder.funcProto(int, parameters(['task', pointer])));
  builder.func('bpf_lsm_notice', builder.funcProto(0, parameters(['task', pointer])));
  builder.func('bpf_iter_task', builder.funcProto(int, parameters(['meta', pointer], ['task', pointer])));
  const btf = parseBtf(builder.bytes());
  const argumentsOf = (section: string): string[] =>
    hookOfSection(section, btf).arguments.map(({ name, type }) =>
      type === 'scalar' ? name : `${name}: ${type.struct}${type.nullable ? ' or null' : ''}`,
    );

  it('give programs the arguments of what they attach to', () => {
    expect(argumentsOf('tp_btf/thing')).toEqual(['task: task_struct', 'n']);
    expect(argumentsOf('raw_tp/thing')).toEqual(['task', 'n']);
    expect(argumentsOf('fentry/traced')).toEqual(['task: task_struct', 'by_value[0]', 'by_value[1]', 'n']);
    expect(argumentsOf('fexit/traced')).toEqual(['task: task_struct', 'by_value[0]', 'by_value[1]', 'n', 'ret']);
    expect(argumentsOf('fexit/quiet')).toEqual(['n']);
    expect(argumentsOf('fmod_ret/traced').at(-1)).toBe('ret');
    expect(argumentsOf('lsm/gate')).toEqual(['task: task_struct', 'ret']);
    expect(argumentsOf('lsm/notice')).toEqual(['task: task_struct']);
    expect(argumentsOf('iter/task')).toEqual(['meta: task_struct', 'task: task_struct or null']);
  });

  it('say what LSM programs return', () => {
    expect(hookOfSection('lsm/gate', btf).returns).toEqual({ min: -4095, max: 0 });
    expect(hookOfSection('lsm_cgroup/gate', btf).returns).toEqual({ min: 0, max: 1 });
    expect(hookOfSection('lsm_cgroup/notice', btf).returns).toEqual({ min: 1, max: 1 });
  });

  it('are known by name where the kernel has no functions in its BTF', () => {
    expect(argumentsOf('tp_btf/sched_process_exec')).toEqual(['p: task_struct', 'old_pid', 'bprm: linux_binprm']);
    expect(argumentsOf('lsm.s/bprm_check_security')).toEqual(['bprm: linux_binprm', 'ret']);
    expect(argumentsOf('raw_tp/sys_enter')).toEqual(['regs', 'id']);
    expect(argumentsOf('raw_tp/never_heard_of')).toHaveLength(12);
  });

  it('are refused by name where the kernel has none', () => {
    expect(() => hookOfSection('tp_btf/thng', btf)).toThrow(
      new SectionError('section "tp_btf/thng": this kernel\'s BTF has no type btf_trace_thng; did you mean "thing"?'),
    );
    expect(() => hookOfSection('lsm/gates', btf)).toThrow(
      new SectionError('section "lsm/gates": this kernel\'s BTF has no function bpf_lsm_gates; did you mean "gate"?'),
    );
    expect(() => hookOfSection('fentry/many', btf)).toThrow(
      new SectionError(
        'section "fentry/many": many takes 13 arguments; programs can be attached where there are at most 12',
      ),
    );
  });
});
