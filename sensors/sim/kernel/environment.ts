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
  const found = { bytes: machine.memory.bytes, at: 0 };
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
    userAt: (address, length) => {
      const { mm } = current();
      if (mm === undefined || address > 0x7fff_ffff_ffff) return undefined;
      const { scratch } = machine;
      if (scratch.has(address, length)) {
        found.bytes = scratch.bytes;
        found.at = address - scratch.start;
        return found;
      }
      const region = mm.find(address, length);
      if (region === undefined) return undefined;
      found.bytes = region.bytes;
      found.at = address - region.start;
      return found;
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
