import type { Memory } from '../../../engine/vm/index.ts';
import { KernelObject } from './kernel-object.ts';
import { CRED } from './structs.ts';

/** Capabilities by number (include/uapi/linux/capability.h). */
export const CAP_CHOWN = 0;
export const CAP_DAC_OVERRIDE = 1;
export const CAP_DAC_READ_SEARCH = 2;
export const CAP_FOWNER = 3;
export const CAP_FSETID = 4;
export const CAP_KILL = 5;
export const CAP_SETGID = 6;
export const CAP_SETUID = 7;
export const CAP_SETPCAP = 8;
const CAP_LINUX_IMMUTABLE = 9;
export const CAP_NET_BIND_SERVICE = 10;
export const CAP_NET_ADMIN = 12;
export const CAP_NET_RAW = 13;
export const CAP_SYS_MODULE = 16;
export const CAP_SYS_RAWIO = 17;
export const CAP_SYS_CHROOT = 18;
export const CAP_SYS_PTRACE = 19;
export const CAP_SYS_PACCT = 20;
export const CAP_SYS_ADMIN = 21;
export const CAP_SYS_BOOT = 22;
export const CAP_SYS_TIME = 25;
export const CAP_SYS_TTY_CONFIG = 26;
export const CAP_MKNOD = 27;
const CAP_MAC_OVERRIDE = 32;
export const CAP_PERFMON = 38;
export const CAP_BPF = 39;

/** A capability set as its low and high 32 bits. */
export interface CapabilitySet {
  readonly low: number;
  readonly high: number;
}

/** CAP_LAST_CAP is 40. */
export const ALL_CAPABILITIES: CapabilitySet = { low: 0xffff_ffff, high: 0x1ff };
export const NO_CAPABILITIES: CapabilitySet = { low: 0, high: 0 };

/** Capabilities that go with fsuid 0 (include/linux/capability.h, CAP_FS_SET). */
const FS_CAPABILITIES: CapabilitySet = {
  low: [
    CAP_CHOWN,
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    CAP_FOWNER,
    CAP_FSETID,
    CAP_LINUX_IMMUTABLE,
    CAP_MKNOD,
  ].reduce((set, capability) => set | (1 << capability), 0),
  high: 1 << (CAP_MAC_OVERRIDE - 32),
};

/** Sets that exec goes by: what may be had at all, and what a program that is nobody's in particular is given. */
export interface KeptCapabilities {
  readonly bounding: CapabilitySet;
  readonly ambient: CapabilitySet;
  /** Default the ambient set. */
  readonly inheritable?: CapabilitySet;
  /** SECBIT_KEEP_CAPS: permitted capabilities outlive the last id of root's; exec ends it. */
  readonly keepsAcrossIds?: boolean;
}
const USUAL_KEPT: KeptCapabilities = { bounding: ALL_CAPABILITIES, ambient: NO_CAPABILITIES };

/** A set that nobody knows: bit 63, which is no capability's, tells programs so. */
export const untoldCapabilities = ({ low, high }: CapabilitySet): CapabilitySet => ({
  low,
  high: (high | (1 << 31)) >>> 0,
});
export const UNTOLD_KEPT: KeptCapabilities = {
  bounding: untoldCapabilities(ALL_CAPABILITIES),
  ambient: untoldCapabilities(NO_CAPABILITIES),
};

/** The set of capabilities by their numbers. */
export const capabilitySet = (numbers: Iterable<number>): CapabilitySet => {
  let [low, high] = [0, 0];
  for (const number of numbers) {
    if (number < 32) low |= 1 << number;
    else high |= 1 << (number - 32);
  }
  return { low: low >>> 0, high: high >>> 0 };
};

/** What is in both sets. */
export const bothOf = (one: CapabilitySet, other: CapabilitySet): CapabilitySet => ({
  low: (one.low & other.low) >>> 0,
  high: (one.high & other.high) >>> 0,
});

/** What is in either set. */
export const eitherOf = (one: CapabilitySet, other: CapabilitySet): CapabilitySet => ({
  low: (one.low | other.low) >>> 0,
  high: (one.high | other.high) >>> 0,
});

export const isWithin = (inner: CapabilitySet, outer: CapabilitySet): boolean =>
  (inner.low & ~outer.low) === 0 && (inner.high & ~outer.high) === 0;

const has = (set: CapabilitySet, capability: number): boolean =>
  ((capability < 32 ? set.low >>> capability : set.high >>> (capability - 32)) & 1) === 1;

/** Whoever asks for a file: a task's credentials, or what access(2) makes of them. */
export interface Subject {
  readonly fsuid: number;
  inGroup(gid: number): boolean;
  capable(capability: number): boolean;
}

/** Who access(2) asks for: the real ids, with what root may do if that is the real user. */
export const realSubject = (cred: Cred): Subject => ({
  fsuid: cred.uid,
  inGroup: (gid) => gid === cred.gid || cred.groups.includes(gid),
  capable: (capability) => !cred.isConfined && cred.uid === 0 && has(cred.permitted, capability),
});

/** The effective set after setfsuid (security/commoncap.c, cap_task_fix_setuid with LSM_SETID_FS). */
export const effectiveAfterFsuid = (before: Cred, fsuid: number): CapabilitySet => {
  const { effective, permitted } = before;
  if (before.fsuid === 0 && fsuid !== 0)
    return { low: effective.low & ~FS_CAPABILITIES.low, high: effective.high & ~FS_CAPABILITIES.high };
  if (before.fsuid !== 0 && fsuid === 0)
    return {
      low: effective.low | (permitted.low & FS_CAPABILITIES.low),
      high: effective.high | (permitted.high & FS_CAPABILITIES.high),
    };
  return effective;
};

/** Every id a task has, in the order of struct cred. */
export interface Ids {
  readonly uid: number;
  readonly gid: number;
  readonly suid: number;
  readonly sgid: number;
  readonly euid: number;
  readonly egid: number;
  readonly fsuid: number;
  readonly fsgid: number;
}

/** The ids of somebody who has but one of each. */
export const idsOf = (uid: number, gid: number): Ids => ({
  uid,
  gid,
  suid: uid,
  sgid: gid,
  euid: uid,
  egid: gid,
  fsuid: uid,
  fsgid: gid,
});

/** A task's credentials (struct cred). As in the kernel they never change: a call that changes ids gives its task new ones. */
export class Cred extends KernelObject implements Ids, Subject {
  /** It is in a user namespace that is not the first: its capabilities count for what belongs to that one. */
  isConfined = false;
  readonly uid: number;
  readonly gid: number;
  readonly suid: number;
  readonly sgid: number;
  readonly euid: number;
  readonly egid: number;
  readonly fsuid: number;
  readonly fsgid: number;
  readonly groups: readonly number[];
  readonly permitted: CapabilitySet;
  readonly effective: CapabilitySet;
  readonly kept: KeptCapabilities;
  #users = 1;

  constructor(
    memory: Memory,
    ids: Ids,
    groups: readonly number[],
    permitted: CapabilitySet,
    effective: CapabilitySet,
    kept: KeptCapabilities = USUAL_KEPT,
  ) {
    super(memory, CRED.size);
    this.uid = ids.uid;
    this.gid = ids.gid;
    this.suid = ids.suid;
    this.sgid = ids.sgid;
    this.euid = ids.euid;
    this.egid = ids.egid;
    this.fsuid = ids.fsuid;
    this.fsgid = ids.fsgid;
    this.groups = groups;
    this.permitted = permitted;
    this.effective = effective;
    this.kept = kept;
    this.setU32(CRED.uid, ids.uid);
    this.setU32(CRED.gid, ids.gid);
    this.setU32(CRED.suid, ids.suid);
    this.setU32(CRED.sgid, ids.sgid);
    this.setU32(CRED.euid, ids.euid);
    this.setU32(CRED.egid, ids.egid);
    this.setU32(CRED.fsuid, ids.fsuid);
    this.setU32(CRED.fsgid, ids.fsgid);
    this.#setCapabilities(CRED.inheritable, this.inheritable);
    this.#setCapabilities(CRED.permitted, permitted);
    this.#setCapabilities(CRED.effective, effective);
  }

  get inheritable(): CapabilitySet {
    return this.kept.inheritable ?? this.kept.ambient;
  }

  /** Whether it has a capability in effect that reaches beyond its user namespace. */
  capable(capability: number): boolean {
    return !this.isConfined && has(this.effective, capability);
  }

  inGroup(gid: number): boolean {
    return gid === this.fsgid || this.groups.includes(gid);
  }

  /** Another task uses it too. */
  share(): Cred {
    this.#users++;
    return this;
  }

  /** A task no longer uses it. */
  release(): void {
    if (--this.#users === 0) this.free();
  }

  #setCapabilities(offset: number, set: CapabilitySet): void {
    this.setU32(offset, set.low);
    this.setU32(offset + 4, set.high);
  }
}

/** The capabilities after ids changed (capabilities(7), "Effect of user ID changes on capabilities"). */
export const capabilitiesAfter = (
  before: Cred,
  ids: Ids,
): { readonly permitted: CapabilitySet; readonly effective: CapabilitySet; readonly kept: KeptCapabilities } => {
  const hadRoot = before.uid === 0 || before.euid === 0 || before.suid === 0;
  const hasRoot = ids.uid === 0 || ids.euid === 0 || ids.suid === 0;
  const losesRoot = hadRoot && !hasRoot;
  const kept = losesRoot ? { ...before.kept, inheritable: before.inheritable, ambient: NO_CAPABILITIES } : before.kept;
  const permitted = losesRoot && before.kept.keepsAcrossIds !== true ? NO_CAPABILITIES : before.permitted;
  if (before.euid === 0 && ids.euid !== 0) return { permitted, effective: NO_CAPABILITIES, kept };
  if (before.euid !== 0 && ids.euid === 0) return { permitted, effective: permitted, kept };
  return { permitted, effective: bothOf(before.effective, permitted), kept };
};

/** Whether others may no longer look at the memory of a task whose credentials change so (kernel/cred.c, commit_creds). */
export const endsDumping = (before: Cred, after: Cred): boolean =>
  before.euid !== after.euid ||
  before.egid !== after.egid ||
  before.fsuid !== after.fsuid ||
  before.fsgid !== after.fsgid ||
  !isWithin(after.permitted, before.permitted);
