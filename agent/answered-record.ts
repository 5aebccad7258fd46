import type { EventRecord, RecordLayout, RecordString, RecordText } from '../rules/index.ts';
import { type ASKED_BY_FANOTIFY, EVENT_OF_HOOK, EVENT_TYPES, isAskedByFanotify } from '../rules/index.ts';
import type { Answered } from '../sensors/index.ts';

/** Index of `fd` and of flags that nobody knows. */
const [NO_FD, UNKNOWN_FLAGS] = [-1, 0xffff_ffff];
const NO_ARGUMENTS: readonly bigint[] = [0n, 0n, 0n, 0n, 0n, 0n];

/** The hook that fanotify stands for where it asks about opens, or about execs. */
export const hookAsked = (on: Answered['asked']['on']): keyof typeof ASKED_BY_FANOTIFY =>
  on === 'open' ? 'lsm/file_open' : 'lsm/bprm_check_security';

/** What a program at the hook that fanotify stands for would have written of a call. */
export const recordOf = ({ asked, answer, late }: Answered, layouts: readonly RecordLayout[]): EventRecord => {
  const hook = hookAsked(asked.on);
  const layout = layouts.find((each) => each.hook === hook);
  if (layout === undefined || !isAskedByFanotify(hook)) throw new Error(`no rule is decided at ${hook}`);
  const truths = new Map(answer.truths);
  const slash = asked.path.lastIndexOf('/');
  const file: RecordText = {
    state: 'present',
    text: asked.path,
    asPassed: false,
    nameLength: new TextEncoder().encode(asked.path.slice(slash + 1)).length,
  };
  const isLate = late && answer.denied;
  const record: EventRecord = {
    kind: 'event',
    hook,
    via: 'fanotify',
    layout,
    abi: 'x86-64',
    event: EVENT_TYPES.get(EVENT_OF_HOOK[hook] ?? ''),
    time: asked.time,
    pid: asked.pid,
    start: asked.start,
    tid: asked.tid,
    comm: asked.comm,
    parentPid: asked.parentPid,
    parentStart: asked.parentStart,
    uid: asked.uid,
    gid: asked.gid,
    loginuid: asked.loginuid | 0,
    cgroup: asked.cgroup,
    result: 0n,
    arguments: NO_ARGUMENTS,
    fd: NO_FD,
    flags: UNKNOWN_FLAGS,
    ino: asked.ino,
    dev: asked.dev,
    typechar: asked.typechar,
    ownTable: false,
    verdict: answer.certain.length > 0 ? 'deny' : 'alert',
    guard: isLate ? 'expired' : answer.guard,
    denied: answer.denied && !late,
    usedUp: false,
    local: undefined,
    remote: undefined,
    protocol: undefined,
    connected: undefined,
    detail: () => undefined,
    exe: { ctime: undefined, mtime: undefined, layer: undefined },
    matched: answer.matched,
    certain: new Set(answer.certain),
    truth: (predicate) => truths.get(predicate),
    string: (name: RecordString) => (name === 'file' ? file : undefined),
    keep: () => record,
  };
  return record;
};
