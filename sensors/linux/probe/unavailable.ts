import type { Obstacle } from './obstacle.ts';
import { whyNotPermitted } from './privileges.ts';
import type { Prober } from './prober.ts';
import { syscallProgram } from './programs.ts';

const TINY = { name: 'probe', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 } as const;
/** bpf_probe_read_kernel of 8 bytes at address 0, which reads nothing. */
const READS_THE_KERNEL = 'r1 = r10; r1 += -8; r2 = 8; r3 = 0; call 113; r0 = 0; exit';

const refused = (what: string, errno: string, prober: Prober): Obstacle => {
  const why = `${what} is refused (${errno})`;
  if (errno === 'ENOMEM')
    return {
      why: `${why}: the memory cgroup of this process is full`,
      remedy: 'raise its memory.max (MemoryMax= of a systemd unit)',
    };
  if (errno === 'ENOSYS')
    return { why: `${why}: this kernel has no bpf(2)`, remedy: 'boot one built with CONFIG_BPF_SYSCALL=y' };
  if (errno !== 'EPERM' && errno !== 'EACCES') return { why, remedy: "look in the kernel's log (dmesg) for a reason" };
  const { why: cause, remedy } = whyNotPermitted(prober);
  return { why: `${why}: ${cause}`, remedy };
};

/** Why bpf(2) is of no use here; undefined where maps can be made and programs that read the kernel's memory load. */
export const whyUnavailable = (prober: Prober): Obstacle | undefined => {
  let map: string | undefined;
  try {
    map = prober.createMap(TINY);
  } catch (error) {
    return {
      why: error instanceof Error ? error.message : String(error),
      remedy: 'Shrike can simulate here, with --sensor sim, and play recordings, with --sensor replay',
    };
  }
  if (map !== undefined) return refused('creating a BPF map', map, prober);
  const empty = prober.load(syscallProgram('r0 = 0; exit'));
  if (empty !== undefined) return refused('loading a BPF program', empty.errno, prober);
  // The verifier says EINVAL here, since it then knows no such helper.
  if (prober.load(syscallProgram(READS_THE_KERNEL)) !== undefined)
    return refused("loading a BPF program that reads the kernel's memory", 'EPERM', prober);
  if (prober.exists('/sys/kernel/btf/vmlinux')) return undefined;
  return {
    why: 'the kernel does not describe its types: there is no /sys/kernel/btf/vmlinux',
    remedy: 'boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as distributions build theirs',
  };
};

/** Why a kernel can't be used for which no level was found. */
export const tooOld = (prober: Prober): Obstacle => ({
  why: `Linux ${prober.release} lacks what 6.1 has, the oldest kernel that policies are compiled for`,
  remedy: 'boot Linux 6.1 or newer',
});
