import { EINVAL, EPERM } from '../../../engine/maps/index.ts';
import { CAP_SETPCAP, type CapabilitySet, Cred, capabilitySet, isWithin } from '../kernel/credentials.ts';
import { SIGNALS } from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';

/** include/uapi/linux/prctl.h */
const PR_SET_PDEATHSIG = 1;
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_GET_KEEPCAPS = 7;
const PR_SET_KEEPCAPS = 8;
const PR_SET_NAME = 15;
const PR_GET_NAME = 16;
const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_SET_CHILD_SUBREAPER = 36;
const PR_GET_CHILD_SUBREAPER = 37;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_GET_NO_NEW_PRIVS = 39;

const isFlag = (value: number): boolean => value === 0 || value === 1;

const setDumpable = (call: SystemCall): number => {
  if (!isFlag(call.number(1))) return -EINVAL;
  if (call.task.mm) call.task.mm.dumpable = call.number(1) === 1;
  return 0;
};

const setKeepCapabilities = (call: SystemCall): number => {
  if (!isFlag(call.number(1))) return -EINVAL;
  const { cred } = call.task;
  const kept = { ...cred.kept, inheritable: cred.inheritable, keepsAcrossIds: call.number(1) === 1 };
  call.task.cred = new Cred(call.machine.memory, cred, cred.groups, cred.permitted, cred.effective, kept);
  return 0;
};

/** The capability that the second argument names; undefined for a capability that there is none of. */
const namedCapability = (call: SystemCall): CapabilitySet | undefined => {
  const number = call.number(1);
  return number >= 0 && number <= LAST_CAPABILITY ? capabilitySet([number]) : undefined;
};

const LAST_CAPABILITY = 40;

const readBoundingSet = (call: SystemCall): number => {
  const named = namedCapability(call);
  return named === undefined ? -EINVAL : Number(isWithin(named, call.task.cred.kept.bounding));
};

const dropFromBoundingSet = (call: SystemCall): number => {
  const { cred } = call.task;
  if (!call.machine.permissions.capable(cred, CAP_SETPCAP)) return -EPERM;
  const named = namedCapability(call);
  if (named === undefined) return -EINVAL;
  const { low, high } = cred.kept.bounding;
  const bounding = { low: (low & ~named.low) >>> 0, high: (high & ~named.high) >>> 0 };
  const kept = { ...cred.kept, inheritable: cred.inheritable, bounding };
  call.task.cred = new Cred(call.machine.memory, cred, cred.groups, cred.permitted, cred.effective, kept);
  return 0;
};

const noArguments = (call: SystemCall, from: number): boolean =>
  [1, 2, 3, 4].every((index) => index < from || call.number(index) === 0);

const COMM_BYTES = 16;

const getName = (call: SystemCall): number => {
  call.checkPointer(1);
  const { commBytes } = call.task;
  call.data = commBytes.slice(0, COMM_BYTES - 1);
  return 0;
};

const OPTIONS: Readonly<Record<number, CallHandler>> = {
  [PR_SET_PDEATHSIG]: (call) => (call.number(1) < 0 || call.number(1) > SIGNALS ? -EINVAL : 0),
  [PR_GET_DUMPABLE]: (call) => (call.task.mm?.dumpable === false ? 0 : 1),
  [PR_SET_DUMPABLE]: setDumpable,
  [PR_GET_KEEPCAPS]: (call) => (call.task.cred.kept.keepsAcrossIds === true ? 1 : 0),
  [PR_SET_KEEPCAPS]: setKeepCapabilities,
  [PR_SET_NAME]: (call) => {
    call.task.comm = call.text(1);
    return 0;
  },
  [PR_GET_NAME]: getName,
  [PR_CAPBSET_READ]: readBoundingSet,
  [PR_CAPBSET_DROP]: dropFromBoundingSet,
  [PR_SET_CHILD_SUBREAPER]: (call) => {
    call.task.group.isSubreaper = call.number(1) !== 0;
    return 0;
  },
  [PR_GET_CHILD_SUBREAPER]: (call) => {
    call.checkPointer(1);
    call.data = Uint8Array.of(call.task.group.isSubreaper ? 1 : 0, 0, 0, 0);
    return 0;
  },
  [PR_SET_NO_NEW_PRIVS]: (call) => {
    if (call.number(1) !== 1 || !noArguments(call, 2)) return -EINVAL;
    call.task.noNewPrivileges = true;
    return 0;
  },
  [PR_GET_NO_NEW_PRIVS]: (call) => (noArguments(call, 1) ? Number(call.task.noNewPrivileges) : -EINVAL),
};

const prctl: CallHandler = (call) => {
  const option = OPTIONS[call.int(0)];
  if (call.recorded && call.int(0) !== PR_SET_NAME) return 0;
  return option ? option(call) : -EINVAL;
};

/** Asks for the personality without setting one. */
const ASKS = 0xffff_ffff;

const personality: CallHandler = (call) => {
  const before = call.task.personality;
  if (call.unsigned(0) !== ASKS) call.task.personality = call.unsigned(0);
  return before;
};

/** How a task wants to be treated. */
export const prctlCalls: Readonly<Record<string, CallHandler>> = { prctl, personality };
