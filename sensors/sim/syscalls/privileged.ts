import { EFAULT, EINVAL, EPERM, ESRCH } from '../../../engine/maps/index.ts';
import {
  CAP_DAC_READ_SEARCH,
  CAP_SYS_ADMIN,
  CAP_SYS_BOOT,
  CAP_SYS_PACCT,
  CAP_SYS_RAWIO,
  CAP_SYS_TIME,
  CAP_SYS_TTY_CONFIG,
} from '../kernel/credentials.ts';
import { CallError, type CallHandler, type SystemCall } from './call.ts';
import { mayTrace, PTRACE_MODE_ATTACH_REALCREDS } from './signals.ts';

/** Calls whose only effect in the simulation is to be refused to those without a capability. */
const CAPABILITY: Readonly<Record<string, number>> = {
  sethostname: CAP_SYS_ADMIN,
  setdomainname: CAP_SYS_ADMIN,
  swapon: CAP_SYS_ADMIN,
  swapoff: CAP_SYS_ADMIN,
  pivot_root: CAP_SYS_ADMIN,
  fsopen: CAP_SYS_ADMIN,
  fsmount: CAP_SYS_ADMIN,
  fspick: CAP_SYS_ADMIN,
  open_tree: CAP_SYS_ADMIN,
  move_mount: CAP_SYS_ADMIN,
  mount_setattr: CAP_SYS_ADMIN,
  reboot: CAP_SYS_BOOT,
  settimeofday: CAP_SYS_TIME,
  clock_settime: CAP_SYS_TIME,
  acct: CAP_SYS_PACCT,
  iopl: CAP_SYS_RAWIO,
  ioperm: CAP_SYS_RAWIO,
  vhangup: CAP_SYS_TTY_CONFIG,
  open_by_handle_at: CAP_DAC_READ_SEARCH,
};

const privileged: CallHandler = (call) => {
  const capability = CAPABILITY[call.name];
  if (capability !== undefined && !call.machine.permissions.capable(call.task.cred, capability)) return -EPERM;
  return 0;
};

/** UIO_MAXIOV */
const MOST_VECTORS = 1024;
const IOVEC_BYTES = 16;

/** The stretches of memory that an array of struct iovec names: address and length. @throws CallError */
const vectors = (call: SystemCall, index: number): { readonly address: number; readonly length: number }[] => {
  const count = call.number(index + 1);
  if (count < 0 || count > MOST_VECTORS) throw new CallError(EINVAL);
  if (count === 0) return [];
  const bytes = call.bytes(index);
  if (bytes.length < count * IOVEC_BYTES) throw new CallError(EFAULT);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Array.from({ length: count }, (_, at) => ({
    address: Number(view.getBigUint64(at * IOVEC_BYTES, true)),
    length: Number(view.getBigUint64(at * IOVEC_BYTES + 8, true)),
  }));
};

/**
 * process_vm_readv and process_vm_writev (mm/process_vm_access.c): no memory but argument strings is simulated, all else is not
 * mapped. What is read is the result's data; what is written goes nowhere.
 */
const otherMemory: CallHandler = (call) => {
  if (call.number(5) !== 0) return -EINVAL;
  const room = vectors(call, 1).reduce((sum, { length }) => sum + length, 0);
  const remote = vectors(call, 3);
  const wanted = remote.reduce((sum, { length }) => sum + length, 0);
  if (room === 0 || wanted === 0) return 0;
  const target = call.processes.living(call.int(0));
  if (!target?.mm) return -ESRCH;
  if (target.mm !== call.task.mm && mayTrace(call, target, PTRACE_MODE_ATTACH_REALCREDS) < 0) return -EPERM;
  const parts: number[] = [];
  for (const { address, length } of remote) {
    const bytes = target.mm.read(address, Math.min(length, room - parts.length));
    if (!bytes) break;
    for (const byte of bytes) parts.push(byte);
  }
  if (parts.length === 0) return -EFAULT;
  if (call.name === 'process_vm_readv') call.data = Uint8Array.from(parts);
  return parts.length;
};

/** Administration of the machine. */
export const privilegedCalls: Readonly<Record<string, CallHandler>> = {
  ...Object.fromEntries(Object.keys(CAPABILITY).map((name) => [name, privileged])),
  setns: (call) => {
    const { inode } = call.file(0);
    if (inode.superBlock.type !== 'nsfs') return -EINVAL;
    return call.machine.permissions.capable(call.task.cred, CAP_SYS_ADMIN) ? 0 : -EPERM;
  },
  process_vm_readv: otherMemory,
  process_vm_writev: otherMemory,
};
