import { EFAULT, EINVAL, EPERM } from '../../../engine/maps/index.ts';
import {
  CAP_SETGID,
  CAP_SETUID,
  Cred,
  capabilitiesAfter,
  effectiveAfterFsuid,
  endsDumping,
  type Ids,
} from '../kernel/credentials.ts';
import { askSecurity } from '../kernel/security.ts';
import { UNSET_LOGINUID } from '../kernel/tasks.ts';
import type { CallHandler, SystemCall } from './call.ts';

/** An id of -1 stays as it is; it can't be set (kernel/sys.c). */
const KEEP = UNSET_LOGINUID;

/** What a change of user ids is (include/linux/security.h, LSM_SETID_*). */
type Change = 'setuid' | 'setreuid' | 'setresuid' | 'setfsuid';
const LSM_SETID: Readonly<Record<Change, number>> = { setuid: 1, setreuid: 2, setresuid: 4, setfsuid: 8 };

/** Gives the task new credentials once lsm/task_fix_setuid agrees; it is asked about user ids only. */
const become = (call: SystemCall, cred: Cred, change: Change | undefined): number => {
  const { task, machine } = call;
  const verdict =
    change === undefined ? 0 : askSecurity(machine, 'task_fix_setuid', [cred, task.cred, LSM_SETID[change]]);
  if (verdict < 0) {
    cred.release();
    return verdict;
  }
  if (endsDumping(task.cred, cred) && task.mm) task.mm.dumpable = false;
  task.cred = cred;
  return 0;
};

const commit = (call: SystemCall, ids: Partial<Ids>, change?: Change): number => {
  const before = call.task.cred;
  const after: Ids = {
    uid: ids.uid ?? before.uid,
    gid: ids.gid ?? before.gid,
    suid: ids.suid ?? before.suid,
    sgid: ids.sgid ?? before.sgid,
    euid: ids.euid ?? before.euid,
    egid: ids.egid ?? before.egid,
    fsuid: ids.fsuid ?? ids.euid ?? before.fsuid,
    fsgid: ids.fsgid ?? ids.egid ?? before.fsgid,
  };
  const { permitted, effective, kept } = capabilitiesAfter(before, after);
  return become(call, new Cred(call.machine.memory, after, before.groups, permitted, effective, kept), change);
};

const idsOfCred = ({ uid, gid, suid, sgid, euid, egid, fsuid, fsgid }: Ids): Ids => ({
  uid,
  gid,
  suid,
  sgid,
  euid,
  egid,
  fsuid,
  fsgid,
});

const mayUid = (call: SystemCall): boolean => call.machine.permissions.capable(call.task.cred, CAP_SETUID);
const mayGid = (call: SystemCall): boolean => call.machine.permissions.capable(call.task.cred, CAP_SETGID);

const setuid: CallHandler = (call) => {
  const uid = call.unsigned(0);
  const { cred } = call.task;
  if (uid === KEEP) return -EINVAL;
  if (mayUid(call)) return commit(call, { uid, suid: uid, euid: uid }, 'setuid');
  return uid === cred.uid || uid === cred.suid ? commit(call, { euid: uid }, 'setuid') : -EPERM;
};

const setgid: CallHandler = (call) => {
  const gid = call.unsigned(0);
  const { cred } = call.task;
  if (gid === KEEP) return -EINVAL;
  if (mayGid(call)) return commit(call, { gid, sgid: gid, egid: gid });
  return gid === cred.gid || gid === cred.sgid ? commit(call, { egid: gid }) : -EPERM;
};

/** setreuid: the saved id follows the effective one when the real one is set or the effective one isn't the old real one. */
const setreuid: CallHandler = (call) => {
  const { cred } = call.task;
  const uid = call.unsigned(0) === KEEP ? cred.uid : call.unsigned(0);
  const euid = call.unsigned(1) === KEEP ? cred.euid : call.unsigned(1);
  if (!mayUid(call)) {
    if (uid !== cred.uid && uid !== cred.euid) return -EPERM;
    if (euid !== cred.uid && euid !== cred.euid && euid !== cred.suid) return -EPERM;
  }
  const saves = call.unsigned(0) !== KEEP || (call.unsigned(1) !== KEEP && euid !== cred.uid);
  return commit(call, { uid, euid, suid: saves ? euid : cred.suid }, 'setreuid');
};

const setregid: CallHandler = (call) => {
  const { cred } = call.task;
  const gid = call.unsigned(0) === KEEP ? cred.gid : call.unsigned(0);
  const egid = call.unsigned(1) === KEEP ? cred.egid : call.unsigned(1);
  if (!mayGid(call)) {
    if (gid !== cred.gid && gid !== cred.egid) return -EPERM;
    if (egid !== cred.gid && egid !== cred.egid && egid !== cred.sgid) return -EPERM;
  }
  const saves = call.unsigned(0) !== KEEP || (call.unsigned(1) !== KEEP && egid !== cred.gid);
  return commit(call, { gid, egid, sgid: saves ? egid : cred.sgid });
};

const setresuid: CallHandler = (call) => {
  const { cred } = call.task;
  const own = [cred.uid, cred.euid, cred.suid];
  const [uid = KEEP, euid = KEEP, suid = KEEP] = [0, 1, 2].map((index) => call.unsigned(index));
  if (!mayUid(call) && [uid, euid, suid].some((id) => id !== KEEP && !own.includes(id))) return -EPERM;
  const keeps = (id: number, ...current: readonly number[]): boolean =>
    id === KEEP || current.every((own) => own === id);
  if (keeps(uid, cred.uid) && keeps(euid, cred.euid, cred.fsuid) && keeps(suid, cred.suid)) return 0;
  return commit(
    call,
    {
      uid: uid === KEEP ? cred.uid : uid,
      euid: euid === KEEP ? cred.euid : euid,
      suid: suid === KEEP ? cred.suid : suid,
    },
    'setresuid',
  );
};

const setresgid: CallHandler = (call) => {
  const { cred } = call.task;
  const own = [cred.gid, cred.egid, cred.sgid];
  const [gid = KEEP, egid = KEEP, sgid = KEEP] = [0, 1, 2].map((index) => call.unsigned(index));
  if (!mayGid(call) && [gid, egid, sgid].some((id) => id !== KEEP && !own.includes(id))) return -EPERM;
  return commit(call, {
    gid: gid === KEEP ? cred.gid : gid,
    egid: egid === KEEP ? cred.egid : egid,
    sgid: sgid === KEEP ? cred.sgid : sgid,
  });
};

/** setfsuid and setfsgid return the id before, whether they changed it or not. */
const setfsuid: CallHandler = (call) => {
  const { cred } = call.task;
  const before = cred.fsuid;
  const uid = call.unsigned(0);
  if (uid !== KEEP && uid !== before && (mayUid(call) || [cred.uid, cred.euid, cred.suid, cred.fsuid].includes(uid)))
    become(
      call,
      new Cred(
        call.machine.memory,
        { ...idsOfCred(cred), fsuid: uid },
        cred.groups,
        cred.permitted,
        effectiveAfterFsuid(cred, uid),
        cred.kept,
      ),
      'setfsuid',
    );
  return before;
};

const setfsgid: CallHandler = (call) => {
  const { cred } = call.task;
  const gid = call.unsigned(0);
  if (gid !== KEEP && (mayGid(call) || [cred.gid, cred.egid, cred.sgid, cred.fsgid].includes(gid)))
    commit(call, { fsgid: gid });
  return cred.fsgid;
};

/** setgroups(count, list): the list is the bytes of unsigned ints. */
const setgroups: CallHandler = (call) => {
  if (!mayGid(call)) return -EPERM;
  const count = call.unsigned(0);
  if (count > NGROUPS_MAX) return -EINVAL;
  const bytes = count === 0 ? new Uint8Array(0) : call.bytes(1);
  if (bytes.length < count * 4) return -EFAULT;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const groups = Array.from({ length: count }, (_, index) => view.getUint32(index * 4, true));
  groups.sort((one, other) => one - other);
  const { cred } = call.task;
  call.task.cred = new Cred(call.machine.memory, cred, groups, cred.permitted, cred.effective, cred.kept);
  return 0;
};

const NGROUPS_MAX = 65_536;

/** getgroups(size, list): with a size of 0 only their number is asked for. */
const getgroups: CallHandler = (call) => {
  const size = call.int(0);
  const { groups } = call.task.cred;
  if (size < 0) return -EINVAL;
  if (size === 0 || call.recorded) return groups.length;
  if (groups.length > size) return -EINVAL;
  if (groups.length > 0) call.checkPointer(1);
  call.data = new Uint8Array(Uint32Array.from(groups).buffer);
  return groups.length;
};

/** getresuid and getresgid: the three ids, one after the other. */
const giveIds = (call: SystemCall, ids: readonly number[]): number => {
  for (let index = 0; index < 3; index++) call.checkPointer(index);
  call.data = new Uint8Array(Uint32Array.from(ids).buffer);
  return 0;
};

/** Who a task is. */
export const credentialCalls: Readonly<Record<string, CallHandler>> = {
  getuid: (call) => call.task.cred.uid,
  geteuid: (call) => call.task.cred.euid,
  getgid: (call) => call.task.cred.gid,
  getegid: (call) => call.task.cred.egid,
  getresuid: (call) => {
    const { uid, euid, suid } = call.task.cred;
    return giveIds(call, [uid, euid, suid]);
  },
  getresgid: (call) => {
    const { gid, egid, sgid } = call.task.cred;
    return giveIds(call, [gid, egid, sgid]);
  },
  getgroups,
  setuid,
  setgid,
  setreuid,
  setregid,
  setresuid,
  setresgid,
  setfsuid,
  setfsgid,
  setgroups,
};
