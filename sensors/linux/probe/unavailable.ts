import { whyNotPermitted } from './privileges.ts';
import type { Prober } from './prober.ts';
import { syscallProgram } from './programs.ts';

const TINY = { name: 'probe', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 } as const;
/** bpf_probe_read_kernel of 8 bytes at address 0, which reads nothing. */
const READS_THE_KERNEL = 'r1 = r10; r1 += -8; r2 = 8; r3 = 0; call 113; r0 = 0; exit';

const refused = (what: string, errno: string, prober: Prober): string => {
  if (errno === 'ENOMEM')
    return `${what} is refused (ENOMEM): the memory cgroup of this process is full; raise its memory.max (MemoryMax= of a systemd unit), or end what fills it`;
  if (errno === 'ENOSYS')
    return `${what} is refused (ENOSYS): this kernel is built without bpf(2); boot one with CONFIG_BPF_SYSCALL=y`;
  if (errno !== 'EPERM' && errno !== 'EACCES')
    return `${what} is refused (${errno}); look in the kernel's log (dmesg) for a reason`;
  const { why, remedy } = whyNotPermitted(prober);
  return `${what} is refused (${errno}): ${why}; ${remedy}`;
};

/** Why bpf(2) is of no use here, a sentence with what to do about it; undefined where maps and programs that read the kernel load. */
export const whyUnavailable = (prober: Prober): string | undefined => {
  let map: string | undefined;
  try {
    map = prober.createMap(TINY);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  if (map !== undefined) return refused('creating a BPF map', map, prober);
  const empty = prober.load(syscallProgram('r0 = 0; exit'));
  if (empty !== undefined) return refused('loading a BPF program', empty.errno, prober);
  // The helper is then unknown to the verifier, which is EINVAL.
  if (prober.load(syscallProgram(READS_THE_KERNEL)) !== undefined)
    return refused("loading a BPF program that reads the kernel's memory", 'EPERM', prober);
  return prober.exists('/sys/kernel/btf/vmlinux')
    ? undefined
    : 'the kernel does not describe its types: there is no /sys/kernel/btf/vmlinux; boot a kernel built with CONFIG_DEBUG_INFO_BTF=y';
};
