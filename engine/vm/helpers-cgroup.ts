import { E2BIG, EFAULT, EINVAL } from '../maps/index.ts';
import { ATTACH_TYPES, type ProgramType } from '../object/index.ts';
import type { Sysctl, VmEnvironment } from './environment.ts';
import type { Helper } from './helper.ts';
import { argument, bytesArgument, i32, row, size } from './helper-arguments.ts';

/** BPF_F_SYSCTL_BASE_NAME. */
const BASE_NAME = 1n;
const SYSCTL: readonly ProgramType[] = ['cgroup_sysctl'];
const WITH_RESULT: readonly ProgramType[] = [
  'cgroup_sock',
  'cgroup_device',
  'cgroup_sock_addr',
  'cgroup_sysctl',
  'cgroup_sockopt',
  'lsm',
];
const MAX_ERRNO = 4095;
/** A sysctl's value is at most a page with its NUL. */
const PAGE = 4096;

/** copy_sysctl_value of kernel/bpf/cgroup.c. */
function copyValue(to: Uint8Array, from: Uint8Array | undefined): number {
  if (to.length === 0) return -E2BIG;
  to.fill(0);
  if (!from || from.length === 0) return -EINVAL;
  to.set(from.subarray(0, Math.min(from.length, to.length)));
  if (to.length > from.length) return from.length;
  to[to.length - 1] = 0;
  return -E2BIG;
}

/** strscpy of lib/string.c. */
function copyText(to: Uint8Array, text: string): number {
  const bytes = new TextEncoder().encode(text);
  if (to.length === 0) return -E2BIG;
  const fits = bytes.subarray(0, to.length - 1);
  to.set(fits);
  to[fits.length] = 0;
  return fits.length < bytes.length ? -E2BIG : bytes.length;
}

const read = (
  id: number,
  name: string,
  run: (sysctl: Sysctl, to: Uint8Array, flags: bigint) => number,
  hasFlags = false,
): Helper =>
  row(
    id,
    name,
    ['context', 'memory_out', 'size', ...(hasFlags ? (['anything'] as const) : [])],
    'scalar',
    SYSCTL,
    (environment: VmEnvironment, registers) => {
      const to = bytesArgument(`bpf_${name}`, environment, registers, 2, size(`bpf_${name}`, registers, 3));
      return environment.sysctl ? run(environment.sysctl, to, argument(registers, 4)) : copyValue(to, undefined);
    },
  );

/** What programs on cgroups read and decide (kernel/bpf/cgroup.c). */
export const cgroupHelpers: readonly Helper[] = [
  read(
    101,
    'sysctl_get_name',
    ({ name }, to, flags) =>
      (flags & ~BASE_NAME) !== 0n
        ? -EINVAL
        : copyText(to, flags === BASE_NAME ? name.slice(name.lastIndexOf('/') + 1) : name),
    true,
  ),
  read(102, 'sysctl_get_current_value', ({ current }, to) => copyValue(to, current)),
  read(103, 'sysctl_get_new_value', ({ written }, to) => copyValue(to, written)),
  row(104, 'sysctl_set_new_value', ['context', 'memory', 'size'], 'scalar', SYSCTL, (environment, registers) => {
    const value = bytesArgument(
      'bpf_sysctl_set_new_value',
      environment,
      registers,
      2,
      size('bpf_sysctl_set_new_value', registers, 3),
    );
    const { sysctl } = environment;
    if (!sysctl?.written || value.length === 0) return -EINVAL;
    if (value.length > PAGE - 1) return -E2BIG;
    sysctl.replacement = value.slice();
    return 0;
  }),
  row(186, 'get_retval', [], 'scalar', WITH_RESULT, (environment) => environment.hookResult?.value ?? 0, {
    attachTypes: { lsm: [ATTACH_TYPES.lsm_cgroup] },
  }),
  row(
    187,
    'set_retval',
    ['anything'],
    'scalar',
    WITH_RESULT,
    (environment, registers) => {
      const value = i32(registers, 1);
      if (value > 0 || value < -MAX_ERRNO) return -EFAULT;
      if (!environment.hookResult) return -EINVAL;
      environment.hookResult.value = value;
      return 0;
    },
    { attachTypes: { lsm: [ATTACH_TYPES.lsm_cgroup] } },
  ),
];
