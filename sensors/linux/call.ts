import { ERRNO_NAMES } from '../../rules/index.ts';
import { bpf, callsUnavailable, closeFd } from './libc.ts';

export * from './libc.ts';

const EPERM = 1;

/** An errno's name, `EINVAL`; 524 is the kernel's own ENOTSUPP. */
export const errnoName = (errno: number): string =>
  ERRNO_NAMES.get(errno) ?? (errno === 524 ? 'ENOTSUPP' : `errno ${errno}`);

let unavailable: { readonly reason: string | undefined } | undefined;

/** Why bpf(2) can't be used here, in a sentence; undefined where it can: found by creating a map, once. */
export function bpfUnavailable(): string | undefined {
  unavailable ??= { reason: probe() };
  return unavailable.reason;
}

function probe(): string | undefined {
  const reason = callsUnavailable();
  if (reason !== undefined) return reason;
  const attr = new Uint8Array(72);
  const view = new DataView(attr.buffer);
  for (const [at, value] of [2, 4, 8, 1].entries()) view.setUint32(4 * at, value, true);
  const fd = bpf('BPF_MAP_CREATE', attr, attr.length);
  if (fd >= 0) {
    closeFd(fd);
    return undefined;
  }
  if (fd === -EPERM)
    return 'bpf(2) is refused (EPERM): it needs root, or CAP_BPF and CAP_PERFMON, and a seccomp profile that lets it pass';
  return `bpf(2) can't create a map here (${errnoName(-fd)})`;
}
