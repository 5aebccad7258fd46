import { capabilitiesText, type EventRecord, type FieldValue, type RecordDetail } from '../../rules/index.ts';
import type { KnownProcess } from './process.ts';
import { ABSENT, ofProcess, present, presentOr, type Reader, UNKNOWN } from './reader.ts';

/** A number that was read of the task, unknown where it was not. */
const detail =
  (name: RecordDetail): Reader =>
  (record) =>
    presentOr(record.detail(name));

/** Whether two numbers of the task are the same. */
const same =
  (one: (record: EventRecord) => bigint | undefined, other: (record: EventRecord) => bigint | undefined): Reader =>
  (record) => {
    const [first, second] = [one(record), other(record)];
    return first === undefined || second === undefined ? UNKNOWN : present(first === second);
  };

const capabilities =
  (name: 'capEffective' | 'capPermitted' | 'capInheritable'): Reader =>
  (record) => {
    const set = record.detail(name);
    return set === undefined ? UNKNOWN : present(capabilitiesText(set));
  };

/** A fact of the process whose id a number of the task is: a session's or a group's leader. It may have ended; its id is not given out again as long as it leads. */
const ofLeader =
  (name: 'sid' | 'pgid', read: (process: KnownProcess) => FieldValue): Reader =>
  (record, { processes }) => {
    const pid = record.detail(name);
    if (pid === undefined) return UNKNOWN;
    const leader = pid === BigInt(record.pid) ? processes.get(record.pid, record.start) : processes.living(Number(pid));
    return leader === undefined ? UNKNOWN : read(leader);
  };

const nameOf = (process: KnownProcess): FieldValue => present(process.name);
const exeOf = (process: KnownProcess): FieldValue =>
  process.argv === undefined ? UNKNOWN : present(process.argv[0] ?? '', 'as passed');
const exepathOf = (process: KnownProcess): FieldValue => presentOr(process.exepath);

const argumentsOf = (process: KnownProcess): readonly string[] | undefined => process.argv?.slice(1);
const utf8Length = (text: string): number => new TextEncoder().encode(text).length;

const layer = (name: 'upper' | 'lower'): Reader =>
  ofProcess(({ layer: its }) => (its === undefined ? UNKNOWN : present(its === name)));

/** The ids of the living parents; with an index that of one. */
const ancestorPids: Reader = (record, { processes }, { argument }) => {
  const chain = processes.ancestors(record);
  const complete = (chain.at(-1)?.parentPid ?? record.parentPid) === 0;
  if (argument === undefined) return complete ? present(chain.map(({ pid }) => String(pid))) : UNKNOWN;
  if (argument === '0') return present(BigInt(record.pid));
  const wanted = chain[Number(argument) - 1];
  return wanted === undefined ? (complete ? ABSENT : UNKNOWN) : present(BigInt(wanted.pid));
};

/** Fields of the task and its process that are neither its names nor its ids of users. */
export const TASK_READERS = {
  'proc.cmdnargs': ofProcess((process) => {
    const list = argumentsOf(process);
    return list === undefined ? UNKNOWN : present(BigInt(list.length), 'as passed');
  }),
  'proc.cmdlenargs': ofProcess((process) => {
    const list = argumentsOf(process);
    return list === undefined
      ? UNKNOWN
      : present(BigInt(list.reduce((sum, text) => sum + utf8Length(text), 0)), 'as passed');
  }),
  'proc.is_exe_upper_layer': layer('upper'),
  'proc.is_exe_lower_layer': layer('lower'),
  'proc.exe_ino': ofProcess(({ exeIno }) => presentOr(exeIno)),
  'proc.exe_ino.ctime': ofProcess(({ exeCtime }) => presentOr(exeCtime)),
  'proc.exe_ino.mtime': ofProcess(({ exeMtime }) => presentOr(exeMtime)),
  'proc.exe_ino.ctime_duration_proc_start': (record, context, field) =>
    ofProcess(({ exeCtime }) =>
      presentOr(exeCtime === undefined ? undefined : startTime(record.start, record.time, context.wallTime) - exeCtime),
    )(record, context, field),
  'proc.apid': ancestorPids,
  'proc.vpid': detail('vpid'),
  'proc.pvpid': detail('pvpid'),
  'proc.pid.ts': (record, { wallTime }) => present(startTime(record.start, record.time, wallTime)),
  'proc.ppid.ts': (record, { wallTime }) =>
    record.parentPid === 0 ? ABSENT : present(startTime(record.parentStart, record.time, wallTime)),
  'proc.ppid.duration': (record) => (record.parentPid === 0 ? ABSENT : present(record.time - record.parentStart)),
  'proc.tty': detail('tty'),
  'proc.sid': detail('sid'),
  'proc.sname': ofLeader('sid', nameOf),
  'proc.sid.exe': ofLeader('sid', exeOf),
  'proc.sid.exepath': ofLeader('sid', exepathOf),
  'proc.is_sid_leader': same(
    (record) => record.detail('sid'),
    (record) => BigInt(record.pid),
  ),
  'proc.pgid': detail('pgid'),
  'proc.pgid.name': ofLeader('pgid', nameOf),
  'proc.pgid.exe': ofLeader('pgid', exeOf),
  'proc.pgid.exepath': ofLeader('pgid', exepathOf),
  'proc.is_pgid_leader': same(
    (record) => record.detail('pgid'),
    (record) => BigInt(record.pid),
  ),
  'proc.vpgid': detail('vpgid'),
  'proc.vpgid.name': ofLeader('pgid', nameOf),
  'proc.vpgid.exe': ofLeader('pgid', exeOf),
  'proc.vpgid.exepath': ofLeader('pgid', exepathOf),
  'proc.is_vpgid_leader': same(
    (record) => record.detail('vpgid'),
    (record) => record.detail('vpid'),
  ),
  'proc.nthreads': detail('threads'),
  'proc.nchilds': (record) => {
    const threads = record.detail('threads');
    return threads === undefined ? UNKNOWN : present(threads - 1n);
  },
  'thread.vtid': detail('vtid'),
  'thread.ismain': (record) => present(record.tid === record.pid),
  'thread.cap_effective': capabilities('capEffective'),
  'thread.cap_permitted': capabilities('capPermitted'),
  'thread.cap_inheritable': capabilities('capInheritable'),
} as const satisfies Record<string, Reader>;

/** Nanoseconds since 1970 of a start in nanoseconds since boot, by the time of an event on both clocks. */
const startTime = (start: bigint, eventTime: bigint, wallTime: bigint): bigint => wallTime - (eventTime - start);
