import { EFAULT, EINVAL, EPERM, ESRCH } from '../../../engine/maps/index.ts';
import { bothOf, CAP_SETPCAP, type CapabilitySet, Cred, eitherOf, isWithin } from '../kernel/credentials.ts';
import type { CallHandler, SystemCall } from './call.ts';
import { numberFor, taskNumbered } from './pid-numbers.ts';

/** _LINUX_CAPABILITY_VERSION_1 to _3: how many 32-bit words a set takes (include/uapi/linux/capability.h). */
const WORDS: ReadonlyMap<number, number> = new Map([
  [0x19980330, 1],
  [0x20071026, 2],
  [0x20080522, 2],
]);
const HEADER_BYTES = 8;
/** Effective, permitted and inheritable, one word each. */
const WORD_SETS = 3;

/** struct __user_cap_header_struct; undefined for a version that there is none of. @throws CallError EFAULT */
const header = (call: SystemCall): { readonly words: number; readonly pid: number } | undefined => {
  const bytes = call.bytes(0);
  if (bytes.length < HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const words = WORDS.get(view.getUint32(0, true));
  return words === undefined ? undefined : { words, pid: view.getInt32(4, true) };
};

const capget: CallHandler = (call) => {
  if (call.recorded) return 0;
  const asked = header(call);
  if (!asked) return call.isNull(1) ? 0 : -EINVAL;
  const { words, pid } = asked;
  if (pid < 0) return -EINVAL;
  const target = pid === 0 ? call.task : taskNumbered(call, pid);
  if (!target) return -ESRCH;
  if (call.isNull(1)) return 0;
  call.checkPointer(1);
  const { effective, permitted, inheritable } = target.cred;
  const sets = [effective, permitted, inheritable];
  const data = new Uint32Array(words * WORD_SETS);
  for (const [index, set] of sets.entries()) {
    data[index] = set.low;
    if (words > 1) data[WORD_SETS + index] = set.high;
  }
  call.data = new Uint8Array(data.buffer);
  return 0;
};

/** Bits of capabilities there are none of are dropped (include/linux/capability.h, CAP_VALID_MASK). */
const VALID_HIGH = 0x1ff;

/** capset of oneself (security/commoncap.c, cap_capset). */
const capset: CallHandler = (call) => {
  if (call.recorded) return 0;
  const asked = header(call);
  if (!asked) return -EINVAL;
  const { words, pid } = asked;
  if (pid !== 0 && pid !== numberFor(call, call.task.pid)) return -EPERM;
  const bytes = call.bytes(1);
  if (bytes.length < words * WORD_SETS * 4) return -EFAULT;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const set = (index: number): CapabilitySet => ({
    low: view.getUint32(4 * index, true),
    high: words > 1 ? view.getUint32(4 * (WORD_SETS + index), true) & VALID_HIGH : 0,
  });
  const [effective, permitted, inheritable] = [set(0), set(1), set(2)];
  const { cred } = call.task;
  const { bounding } = cred.kept;
  const capped = !call.machine.permissions.capable(cred, CAP_SETPCAP);
  if (capped && !isWithin(inheritable, eitherOf(cred.inheritable, cred.permitted))) return -EPERM;
  if (!isWithin(inheritable, eitherOf(cred.inheritable, bounding))) return -EPERM;
  if (!isWithin(permitted, cred.permitted) || !isWithin(effective, permitted)) return -EPERM;
  const ambient = bothOf(cred.kept.ambient, bothOf(permitted, inheritable));
  const kept = { ...cred.kept, ambient, inheritable };
  call.task.cred = new Cred(call.machine.memory, cred, cred.groups, permitted, effective, kept);
  return 0;
};

/** What a task is capable of. */
export const capabilityCalls: Readonly<Record<string, CallHandler>> = { capget, capset };
