import { describe, expect, it } from 'vitest';
import { libraryFolder } from '../../../../cli/package.ts';
import { type FeatureLevel, parseSection } from '../../../../engine/object/index.ts';
import { helperById } from '../../../../engine/vm/index.ts';
import { loadPolicies } from '../../../../policies/index.ts';
import { compile } from '../../../../rules/index.ts';
import { createProber, PROBED_HELPERS, probeFeatures, probeKernel } from '../../../../sensors/linux/index.ts';
import { kernelSkip } from '../../../support/kernel.ts';
import { type Conditions, calls, fakeProber, statusOf } from '../../../support/prober.ts';

const featuresOf = (conditions: Conditions, hooks?: readonly string[]) => probeFeatures(hooks, fakeProber(conditions));
const HOOKS = [
  'tp_btf/sys_exit',
  'lsm/file_open',
  'raw_tp/sys_enter',
  'kprobe/vfs_open',
  'tp/syscalls/sys_enter_getppid',
];

describe('the features of a kernel', () => {
  it('are its level and the hooks that take programs', () => {
    expect(featuresOf({}, HOOKS)).toEqual({ name: '6.12.9-amd64', level: '6.12', hooks: HOOKS, enforcement: true });
  });

  it('have no LSM hook where BPF is not active, or nobody can tell', () => {
    const at = (files: Conditions['files']) => featuresOf({ files: files ?? {} }, ['lsm/file_open']).hooks;
    expect(at({ '/sys/kernel/security/lsm': 'yama,bpf' })).toEqual(['lsm/file_open']);
    expect(at({ '/sys/kernel/security/lsm': 'yama' })).toEqual([]);
    expect(at({ '/sys/kernel/security/lsm': undefined })).toEqual([]);
  });

  it('have no hook that BTF does not name, none that is refused, none without what it attaches through', () => {
    expect(featuresOf({ withoutTypes: ['btf_trace_sys_exit'] }, HOOKS).hooks).not.toContain('tp_btf/sys_exit');
    const refuseProgram: Conditions['refuseProgram'] = ({ programType }) =>
      programType === 'raw_tracepoint' ? 'EPERM' : undefined;
    expect(featuresOf({ refuseProgram }, HOOKS).hooks).not.toContain('raw_tp/sys_enter');
    const files = {
      '/sys/bus/event_source/devices/kprobe/type': undefined,
      '/sys/kernel/tracing/events/syscalls/sys_enter_getppid': undefined,
    };
    expect(featuresOf({ files }, HOOKS).hooks).toEqual(HOOKS.slice(0, 3));
  });

  it.each<[FeatureLevel, string, Conditions]>([
    ['6.12', 'a 5.14 with everything ported back', { release: '5.14.0-503.el9' }],
    ['6.9', 'one without the kernel function of 6.12', { withoutTypes: ['bpf_copy_from_user_str'] }],
    [
      '6.1',
      'one without may_goto',
      {
        refuseProgram: ({ instructions }) =>
          instructions.some(({ opcode }) => opcode === 0xe5) ? 'EINVAL' : undefined,
      },
    ],
  ])('are of level %s by what loads: %s', (level, _what, conditions) => {
    expect(featuresOf(conditions).level).toBe(level);
  });

  it.each<[string, Conditions]>([
    [
      'creating a BPF map is refused (EPERM): this process (uid 1000) lacks CAP_BPF and CAP_PERFMON; run it as root, or with the capabilities of scripts/systemd/shrike.service',
      { refuseMap: () => 'EPERM', files: { '/proc/self/status': statusOf(1000, 0n) } },
    ],
    [
      'the kernel does not describe its types: there is no /sys/kernel/btf/vmlinux; boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as distributions build theirs',
      { withoutTypes: 'all', files: { '/sys/kernel/btf/vmlinux': undefined } },
    ],
    [
      'creating a BPF map is refused (ENOMEM): the memory cgroup of this process is full; raise its memory.max (MemoryMax= of a systemd unit)',
      { refuseMap: () => 'ENOMEM' },
    ],
    [
      'Linux 5.15.0 lacks what 6.1 has, the oldest kernel that policies are compiled for; boot Linux 6.1 or newer',
      { release: '5.15.0', refuseProgram: (program) => (calls(program, 208) ? 'EINVAL' : undefined) },
    ],
  ])('are refused in a sentence: %s', (sentence, conditions) => {
    expect(() => featuresOf(conditions)).toThrow(new Error(sentence));
  });
});

it.each<FeatureLevel>(['6.1', '6.12'])('helpers that programs of level %s call are probed', (level) => {
  const { policies } = loadPolicies([libraryFolder(), `${libraryFolder()}/enforce`], { enforcing: true });
  const { object } = compile(
    policies.flatMap(({ rules }) => rules),
    { level },
  );
  const familyOf = (hook: string): string => parseSection(hook).family;
  const probed = new Map(Object.entries(PROBED_HELPERS).map(([hook, names]) => [familyOf(hook), names]));
  for (const { hook, instructions } of object.programs) {
    const called = instructions.flatMap(({ opcode, src, imm }) =>
      opcode === 0x85 && src === 0 ? [helperById(imm)?.name] : [],
    );
    expect(called.length, hook).toBeGreaterThan(0);
    for (const name of called) expect(probed.get(familyOf(hook)), `${hook} calls ${name}`).toContain(name);
  }
});

const skip = kernelSkip();

describe.skipIf(skip)('the running kernel', () => {
  it('is probed whole, and leaves nothing open', () => {
    const report = probeKernel({ rings: [4096, 1 << 20] });
    expect(report.unavailable).toBeUndefined();
    expect(['6.1', '6.9', '6.12']).toContain(report.level);
    for (const hook of ['tp_btf/sys_exit', 'tp_btf/sched_process_exec', 'raw_tp/sys_enter'])
      expect(report.hooks[hook], hook).toBeUndefined();
    expect(report.programTypes).toMatchObject({ tracing: undefined, syscall: undefined, cgroup_sock_addr: undefined });
    expect(report.helpers['tp_btf/sys_exit']?.missing).toEqual([]);
    expect(report.maps.missing).toEqual([]);
    expect(report.rings).toEqual([
      { asked: 4096, given: 4096 },
      { asked: 1 << 20, given: 1 << 20 },
    ]);
    expect(report.cgroup.mount).toMatch(/^\/sys\/fs\/cgroup/);
    expect(report.memory.charged).toBe(false);
  });

  it('tells LSM programs that are refused from helpers and functions that are', () => {
    const prober = createProber();
    expect(prober.btfId('typedef', 'btf_trace_no_such_tracepoint')).toBeUndefined();
    expect(prober.createMap({ name: 'm', type: 'array', keySize: 8, valueSize: 8, maxEntries: 1 })).toBe('EINVAL');
    const { hooks } = probeFeatures(['tp_btf/no_such_tracepoint', 'tp_btf/sys_exit']);
    expect(hooks).toEqual(['tp_btf/sys_exit']);
  });
});
