import { EPERM } from '../../../engine/maps/index.ts';
import type { VmEnvironment } from '../../../engine/vm/index.ts';
import type { Machine } from './machine.ts';
import { sendSignal } from './signals.ts';
import { PF_EXITING, type Task } from './tasks.ts';

/** What helpers see of the machine. */
export const createEnvironment = (
  machine: Omit<Machine, 'programs' | 'proc'>,
  program: NonNullable<VmEnvironment['program']>,
): VmEnvironment => {
  const random = machine.random;
  const current = (): Task => {
    if (!machine.current) throw new Error('a program ran while no task did');
    return machine.current;
  };
  return {
    memory: machine.memory,
    map: (handle) => machine.maps.get(handle),
    bootNs: () => machine.clock.bootNs,
    currentTask: () => machine.memory.address(current().at),
    currentTaskAt: () => current().at,
    currentPidTgid: () => (BigInt(current().tgid) << 32n) | BigInt(current().pid),
    currentUidGid: () => (BigInt(current().gid) << 32n) | BigInt(current().uid),
    currentComm: () => current().commBytes,
    currentCommAt: () => current().commAt,
    currentCgroupId: () => current().cgroupOf.id,
    currentAncestorCgroupId: (level) => current().cgroupOf.ancestors[level]?.id ?? 0n,
    readUser: (address, length) => {
      const { mm } = current();
      if (!mm || address > 0x7fff_ffff_ffffn) return undefined;
      const at = Number(address);
      return mm.read(at, length) ?? machine.scratch.read(at, length);
    },
    readUserAt: (address, length) => {
      const { mm } = current();
      return address > 0x7fff_ffff_ffff
        ? undefined
        : mm && (mm.read(address, length) ?? machine.scratch.read(address, length));
    },
    // kernel/trace/bpf_trace.c, bpf_send_signal_common
    sendSignal: (signal) => {
      const task = current();
      if (task.isKernelThread || (task.flags & PF_EXITING) !== 0 || task.tgid === 1) return -EPERM;
      if (!machine.recorded) sendSignal(task, signal);
      return 0;
    },
    random,
    program,
    trace: () => {},
  };
};
