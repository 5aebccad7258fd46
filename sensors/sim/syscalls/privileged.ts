import { EFAULT, EINVAL, ENODEV, ENOKEY, ENOTBLK, EOPNOTSUPP, EPERM, ESRCH } from '../../../engine/maps/index.ts';
import {
  CAP_DAC_READ_SEARCH,
  CAP_SYS_ADMIN,
  CAP_SYS_BOOT,
  CAP_SYS_PACCT,
  CAP_SYS_PTRACE,
  CAP_SYS_RAWIO,
  CAP_SYS_TIME,
  CAP_SYS_TTY_CONFIG,
} from '../kernel/credentials.ts';
import { OpenFile } from '../kernel/files.ts';
import { decodeText } from '../kernel/kernel-object.ts';
import { O_CLOEXEC, O_NONBLOCK, O_RDWR, S_IFBLK } from '../uapi.ts';
import { CallError, type CallHandler, type SystemCall } from './call.ts';
import { isCapableIn } from './namespaces.ts';
import { taskNumbered } from './pid-numbers.ts';
import { mayTrace, PTRACE_MODE_ATTACH_REALCREDS } from './signals.ts';

/** Calls whose only effect in the simulation is to be refused to those without a capability. */
const CAPABILITY: Readonly<Record<string, number>> = {
  swapon: CAP_SYS_ADMIN,
  swapoff: CAP_SYS_ADMIN,
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
  const target = taskNumbered(call, call.int(0));
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

/** __NEW_UTS_LEN */
const LONGEST_NAME = 64;

/** sethostname and setdomainname: of the caller's UTS namespace. */
const setName =
  (which: 'host' | 'domain'): CallHandler =>
  (call) => {
    const { uts } = call.task.namespaces.of;
    if (!isCapableIn(call, uts.owner, CAP_SYS_ADMIN)) return -EPERM;
    const length = call.int(1);
    if (length < 0 || length > LONGEST_NAME) return -EINVAL;
    uts.names[which] = decodeText(call.bytes(0).subarray(0, length));
    return 0;
  };

/** What keyctl can be asked for (include/uapi/linux/keyctl.h), up to KEYCTL_WATCH_KEY. */
const LAST_KEY_OPERATION = 32;
const KEYCTL_GET_KEYRING_ID = 0;
const KEYCTL_JOIN_SESSION_KEYRING = 1;
/** The number of the session's keyring, the one there is. */
const SESSION_KEYRING = 0x1000_0001;

/** keyctl(operation, ...): there are no keys but the session's keyring (keyctl(2)). */
const keyctl: CallHandler = (call) => {
  const operation = call.int(0);
  if (operation === KEYCTL_GET_KEYRING_ID || operation === KEYCTL_JOIN_SESSION_KEYRING) return SESSION_KEYRING;
  return operation < 0 || operation > LAST_KEY_OPERATION ? -EOPNOTSUPP : -ENOKEY;
};

/** Kinds of quotas, and commands that everybody may ask for (include/uapi/linux/quota.h): Q_SYNC, Q_GETFMT, Q_GETINFO. */
const MAXQUOTAS = 3;
const Q_SYNC = 0x800001;
const OPEN_TO_ALL: ReadonlySet<number> = new Set([Q_SYNC, 0x800004, 0x800005]);

/** quotactl(command, special, id, address): no file system here has quotas (quotactl(2)). */
const quotactl: CallHandler = (call) => {
  const [command, type] = [call.unsigned(0) >>> 8, call.unsigned(0) & 0xff];
  if (type >= MAXQUOTAS) return -EINVAL;
  if (call.isNull(1)) return command === Q_SYNC ? 0 : -ENODEV;
  const { inode } = call.find(1, undefined, true).dentry;
  if (inode.type !== S_IFBLK) return -ENOTBLK;
  if (!OPEN_TO_ALL.has(command) && !call.machine.permissions.capable(call.task.cred, CAP_SYS_ADMIN)) return -EPERM;
  return -ESRCH;
};

/** Of userfaultfd (include/uapi/linux/userfaultfd.h): only faults of the program itself, which everybody may watch. */
const UFFD_USER_MODE_ONLY = 1;

/** userfaultfd(flags), with vm.unprivileged_userfaultfd = 0 (fs/userfaultfd.c). */
const userfaultfd: CallHandler = (call) => {
  const flags = call.unsigned(0);
  const isOwn = (flags & UFFD_USER_MODE_ONLY) !== 0;
  if (!isOwn && !call.machine.permissions.capable(call.task.cred, CAP_SYS_PTRACE)) return -EPERM;
  if ((flags & ~(UFFD_USER_MODE_ONLY | O_CLOEXEC | O_NONBLOCK)) !== 0) return -EINVAL;
  const path = call.machine.files.anonymous('anon_inodefs', '[userfaultfd]', 0o600, call.task.cred);
  const file = new OpenFile(call.machine.memory, path, O_RDWR | (flags & O_NONBLOCK));
  return call.install(file, (flags & O_CLOEXEC) !== 0);
};

/** Administration of the machine. */
export const privilegedCalls: Readonly<Record<string, CallHandler>> = {
  ...Object.fromEntries(Object.keys(CAPABILITY).map((name) => [name, privileged])),
  sethostname: setName('host'),
  setdomainname: setName('domain'),
  keyctl,
  add_key: (call) => (call.text(0) === '' || call.text(0).startsWith('.') ? -EPERM : SESSION_KEYRING + 1),
  request_key: (call) => {
    call.text(0);
    return -ENOKEY;
  },
  quotactl,
  userfaultfd,
  process_vm_readv: otherMemory,
  process_vm_writev: otherMemory,
};
