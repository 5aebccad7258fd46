import { EINVAL, EPERM, ESRCH } from '../../../engine/maps/index.ts';
import {
  CAP_DAC_READ_SEARCH,
  CAP_SYS_ADMIN,
  CAP_SYS_BOOT,
  CAP_SYS_PACCT,
  CAP_SYS_RAWIO,
  CAP_SYS_TIME,
  CAP_SYS_TTY_CONFIG,
} from '../kernel/credentials.ts';
import type { CallHandler } from './call.ts';
import { mayTrace } from './signals.ts';

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
  kexec_load: CAP_SYS_BOOT,
  kexec_file_load: CAP_SYS_BOOT,
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

/** process_vm_readv and process_vm_writev: refused as ptrace is; no memory but argument strings is simulated. */
const otherMemory: CallHandler = (call) => {
  const target = call.processes.living(call.int(0));
  if (!target) return -ESRCH;
  return target.tgid === call.task.tgid || mayTrace(call, target) ? 0 : -EPERM;
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
