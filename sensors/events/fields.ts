import {
  beforeEffect,
  categoryOf,
  ERRNO_NAMES,
  type EventRecord,
  endsOf,
  type FieldName,
  type FieldRef,
  type FieldSource,
  type FieldValue,
  IO_URING_HOOK,
  isIo,
  isIoRead,
  isIoWrite,
  isKnownArgument,
  isWait,
  L4_PROTOCOLS,
  OPEN_EVENTS,
  requestTypeOf,
  type Trust,
  typeName,
  UNKNOWN_FLAGS,
} from '../../rules/index.ts';
import { NO_NAME } from '../accounts.ts';
import { NO_CONTAINERS } from '../containers/index.ts';
import { argumentNumber, argumentText } from './arguments.ts';
import { type ContainerField, containerValue, isContainerField } from './container.ts';
import { directoryOf, filenameOf, pathValue, rawPathValue, textValue } from './paths.ts';
import { argumentsText, commandLine, type KnownProcess } from './process.ts';
import {
  ABSENT,
  type EventContext,
  ofProcess,
  type Present,
  present,
  presentOr,
  type Reader,
  UNKNOWN,
} from './reader.ts';
import { addressValue, socketTrust, tupleText, type Which } from './sockets.ts';
import { TASK_READERS } from './task-fields.ts';
import { TIME_READERS } from './time-fields.ts';

/** Fields of a process as of exec; command lines are the process's own memory. */
const PROCESS_FACTS: Readonly<Record<string, (process: KnownProcess) => FieldValue>> = {
  name: (process) => present(process.name),
  exe: (process) => (process.argv === undefined ? UNKNOWN : presentOr(process.argv[0] ?? '', 'as passed')),
  exepath: (process) => presentOr(process.exepath),
  args: (process) => presentOr(process.argv && argumentsText(process.argv), 'as passed'),
  cmdline: (process) => presentOr(commandLine(process), 'as passed'),
  env: (process) => presentOr(process.env?.join(' '), 'as passed'),
};

/** Paths that calls name: what the kernel acts on before the effect, the caller's memory after it. */
const pathTrust = (record: EventRecord): Trust => (beforeEffect(record.hook) ? 'resolved' : 'as passed');

const fileTrust = (record: EventRecord): Trust =>
  record.kind === 'exec' || beforeEffect(record.hook) || record.ownTable ? 'resolved' : 'contestable';

const fdValue = (record: EventRecord): FieldValue => {
  const { event } = record;
  if (beforeEffect(record.hook) || event === undefined) return UNKNOWN;
  if (isRequest(record) && (event.fd === 'result' || record.fd < 0)) return UNKNOWN;
  return event.fd === undefined && !OPEN_EVENTS.includes(event.type) ? ABSENT : present(BigInt(record.fd));
};

/** A request of io_uring, whose call has not been made yet. */
const isRequest = (record: EventRecord): boolean => record.hook === IO_URING_HOOK;

const hasResult = (record: EventRecord): boolean =>
  record.kind === 'event' && !beforeEffect(record.hook) && !isRequest(record);

const resultValue = (record: EventRecord, value: (result: bigint) => Present): FieldValue => {
  if (record.kind === 'exec') return present(value(0n));
  return hasResult(record) ? present(value(record.result)) : UNKNOWN;
};

/** A fact of the file behind the descriptor; absent where the call failed to make one, or got a negative one. */
const fileFact = (record: EventRecord, value: Present | undefined): FieldValue => {
  if (value === undefined && record.fd < 0 && hasResult(record)) return ABSENT;
  return presentOr(value, fileTrust(record));
};

const filePart = (record: EventRecord, part: (path: string) => string): FieldValue => {
  if (isSocket(record)) return ABSENT;
  const value = pathValue(record, 'file', fileTrust(record));
  return value.state === 'present' && typeof value.value === 'string' ? { ...value, value: part(value.value) } : value;
};

const openValue = (record: EventRecord, value: (flags: number) => boolean): FieldValue => {
  if (record.event === undefined || !OPEN_EVENTS.includes(record.event.type)) return ABSENT;
  if (record.flags === UNKNOWN_FLAGS) return UNKNOWN;
  return present(value(record.flags));
};

/** Whether the folder that a chdir came to stands in the place of the path that it named. */
const cameToFolder = ({ event, result }: EventRecord): boolean => event?.type === 'chdir' && result >= 0n;

/** Whether a request keeps an argument of its call; a descriptor can be an index into the ring's own table. */
const keeps = (record: EventRecord, index: number): boolean => {
  if (record.event === undefined) return false;
  const member = requestTypeOf(record.event.type)?.members[index];
  return member !== undefined && (member.kind !== 'fd' || record.fd >= 0);
};

/** The paths an argument's text is in, where it is one. */
const argumentValue = (record: EventRecord, name: string | undefined): FieldValue => {
  const index = record.event?.arguments.findIndex((argument) => argument.name === name) ?? -1;
  const kind = record.event?.arguments[index]?.kind;
  if (kind === undefined) return ABSENT;
  if (record.kind !== 'event') return UNKNOWN;
  if (kind === 'text') return textValue(record);
  if (kind === 'path' || kind === 'source') return pathValue(record, 'path', pathTrust(record));
  if (kind === 'target') {
    const second = record.event?.arguments.some((argument) => argument.kind === 'source') ?? false;
    return pathValue(record, second ? 'path2' : 'path', pathTrust(record));
  }
  if (beforeEffect(record.hook) && !isKnownArgument(record.hook, name ?? '')) return UNKNOWN;
  if (isRequest(record) && !keeps(record, index)) return UNKNOWN;
  if (kind === 'sockaddr') return presentOr(tupleText(record), socketTrust(record));
  return presentOr(argumentText(record, index));
};

const rawArgument = (record: EventRecord, name: string | undefined): FieldValue => {
  const index = record.event?.arguments.findIndex((argument) => argument.name === name) ?? -1;
  if (index < 0) return ABSENT;
  if (record.kind !== 'event') return UNKNOWN;
  if (beforeEffect(record.hook) && !isKnownArgument(record.hook, name ?? '')) return UNKNOWN;
  if (isRequest(record) && !keeps(record, index)) return UNKNOWN;
  const value = argumentNumber(record, index);
  return value === undefined ? ABSENT : present(value);
};

const allArguments: Reader = (record) => {
  if (record.event === undefined) return UNKNOWN;
  if (record.kind !== 'event' || beforeEffect(record.hook)) return UNKNOWN;
  const parts = record.event.arguments.map(({ name }) => {
    const value = argumentValue(record, name);
    return `${name}=${value.state === 'present' ? value.value : value.state === 'unknown' ? '<unknown>' : ''}`;
  });
  return present(parts.join(' '), 'as passed');
};

const X_BITS = 0o111n;

/** Whether an open creates a file with a mode that has an x; the mode of openat2 lies in the caller's memory. */
const openExec: Reader = (record) => {
  const { event } = record;
  if (event === undefined || !OPEN_EVENTS.includes(event.type)) return ABSENT;
  if (beforeEffect(record.hook)) return UNKNOWN;
  const creates = openValue(record, (flags) => (flags & 0o100) !== 0);
  if (creates.state !== 'present' || creates.value === false) return creates;
  const mode = rawArgument(record, 'mode');
  if (mode.state !== 'present') return UNKNOWN;
  return present(typeof mode.value === 'bigint' && (mode.value & X_BITS) !== 0n);
};

const nameOf = (field: FieldRef): string =>
  field.argument === undefined ? field.name : `${field.name}[${field.argument}]`;

const own = (fact: string): Reader => ofProcess((process) => PROCESS_FACTS[fact]?.(process) ?? UNKNOWN);

const parentOf = (record: EventRecord, { processes }: EventContext): KnownProcess | undefined =>
  processes.ancestors(record)[0];

const parent =
  (fact: string): Reader =>
  (record, context) => {
    if (record.parentPid === 0) return ABSENT;
    const first = parentOf(record, context);
    return first === undefined ? UNKNOWN : (PROCESS_FACTS[fact]?.(first) ?? UNKNOWN);
  };

/** With an index one ancestor, without it the list of all; the list is unknown where the chain is cut off. */
const ancestor =
  (fact: string): Reader =>
  (record, context, field) => {
    const chain = context.processes.ancestors(record);
    const complete = (chain.at(-1)?.parentPid ?? record.parentPid) === 0;
    const read = (process: KnownProcess): FieldValue => PROCESS_FACTS[fact]?.(process) ?? UNKNOWN;
    if (field.argument === undefined) {
      const values = chain.map(read).flatMap((value) => (value.state === 'present' ? [String(value.value)] : []));
      return complete && values.length === chain.length ? present(values) : UNKNOWN;
    }
    const index = Number(field.argument);
    if (index === 0) return own(fact)(record, context, field);
    const wanted = chain[index - 1];
    return wanted === undefined ? (complete ? ABSENT : UNKNOWN) : read(wanted);
  };

const addressOf =
  (which: Which, part: 'address' | 'port'): Reader =>
  (record) =>
    addressValue(record, which, part);

const domainOf =
  (which: 'server' | 'client' | 'local' | 'remote'): Reader =>
  (record, { domains }) => {
    const address = addressValue(record, which, 'address');
    if (address.state !== 'present') return address;
    if (domains === undefined) return UNKNOWN;
    const names = domains.of(String(address.value));
    return { ...address, value: names.known[0] ?? NO_NAME, names };
  };

const isSocket = (record: EventRecord): boolean => record.local !== undefined || record.remote !== undefined;
/** A fact of an IP socket; unknown where the socket could not be read, `absent` where it has none. */
const ofSocket = (record: EventRecord, value: Present | undefined): FieldValue => {
  if (value === 'absent') return ABSENT;
  if (value !== undefined) return present(value, socketTrust(record));
  return record.typechar === '' || record.typechar === '4' || record.typechar === '6' ? UNKNOWN : ABSENT;
};
const ofType =
  (read: (type: string) => Present): Reader =>
  (record) =>
    record.event === undefined ? UNKNOWN : present(read(record.event.type));
const socketFamily: Reader = (record) => {
  if (isSocket(record)) return present('ip', socketTrust(record));
  return record.typechar === 'u' ? present('unix', socketTrust(record)) : ABSENT;
};

const takes = (record: EventRecord, kind: 'source' | 'path' | 'target'): boolean =>
  record.event?.arguments.some((argument) => argument.kind === kind) ?? false;

const namedPath = (record: EventRecord, name: 'path' | 'path2'): FieldValue =>
  takes(record, 'path') || takes(record, 'source') || takes(record, 'target')
    ? pathValue(record, name, pathTrust(record))
    : ABSENT;

const number =
  (value: (record: EventRecord) => number | bigint): Reader =>
  (record) =>
    present(BigInt(value(record)));

/** The working directory as the record has it; where it has none, as of exec. */
const workingFolder: Reader = (...event) => {
  const [record] = event;
  const text = record.string(record.kind === 'exec' ? 'base' : 'cwd');
  if (text === undefined) return ofProcess((process) => presentOr(process.cwd, 'contestable'))(...event);
  return text.state === 'present' ? present(text.text, 'contestable') : UNKNOWN;
};

/** A field behind the container's id and a colon. */
const inContainer = (name: 'fd.name' | 'fd.directory', ...event: Parameters<Reader>): FieldValue => {
  const [record, context, field] = event;
  const of = READERS[name](record, context, field);
  const container = readContainer(record, context, { ...field, name: 'container.id' }).value;
  if (of.state !== 'present') return of;
  return container.state === 'present' ? { ...of, value: `${container.value}:${of.value}` } : UNKNOWN;
};

const READERS: Readonly<Record<Exclude<FieldName, ContainerField>, Reader>> = {
  'evt.type': (record) => (record.event === undefined ? UNKNOWN : present(record.event.type)),
  'evt.dir': () => present('<'),
  ...TIME_READERS,
  ...TASK_READERS,
  'evt.category': ofType(categoryOf),
  'evt.is_async': () => present(false),
  'evt.is_io': ofType(isIo),
  'evt.is_io_read': ofType(isIoRead),
  'evt.is_io_write': ofType(isIoWrite),
  'evt.is_wait': ofType(isWait),
  'evt.count.error': (record) => {
    const failed = resultValue(record, (result) => result < 0n);
    return failed.state === 'present' ? (failed.value === true ? present(1n) : ABSENT) : failed;
  },
  'syscall.type': (record) =>
    record.event === undefined ? UNKNOWN : record.event.nr < 0 ? ABSENT : present(record.event.type),
  'evt.is_open_exec': openExec,
  'evt.rawarg': (record, _context, field) => rawArgument(record, field.argument),
  'evt.args': allArguments,
  'evt.info': allArguments,
  'evt.abspath': (record) => (record.kind === 'exec' ? UNKNOWN : namedPath(record, 'path')),
  'fd.nameraw': (record) =>
    record.event !== undefined && OPEN_EVENTS.includes(record.event.type) ? rawPathValue(record, 'path') : ABSENT,
  'fd.containername': (record, context, field) => inContainer('fd.name', record, context, field),
  'fd.containerdirectory': (record, context, field) => inContainer('fd.directory', record, context, field),
  'fd.uid': (record) => {
    const fd = fdValue(record);
    return fd.state === 'present' ? present(`${record.tid}${fd.value}`) : fd;
  },
  'fd.dev.major': (record) => fileFact(record, record.ino === 0n ? undefined : record.dev >> 20n),
  'fd.dev.minor': (record) => fileFact(record, record.ino === 0n ? undefined : record.dev & 0xf_ffffn),
  'fd.is_server': (record) => {
    if (record.event === undefined) return UNKNOWN;
    const [end] = endsOf(record.event, 'server');
    return end === undefined ? ABSENT : present(end === 'local');
  },
  'fs.path.nameraw': (record) =>
    record.kind === 'exec' || cameToFolder(record) ? UNKNOWN : rawPathValue(record, 'path'),
  'fs.path.sourceraw': (record) => (takes(record, 'source') ? rawPathValue(record, 'path') : textValue(record)),
  'fs.path.targetraw': (record) => rawPathValue(record, takes(record, 'source') ? 'path2' : 'path'),
  'evt.rawres': (record) => resultValue(record, (result) => result),
  'evt.res': (record) =>
    resultValue(record, (result) => (result >= 0n ? 'SUCCESS' : (ERRNO_NAMES.get(Number(-result)) ?? `E${-result}`))),
  'evt.failed': (record) => resultValue(record, (result) => result < 0n),
  'evt.is_open_read': (record) => openValue(record, (flags) => (flags & 3) === 0 || (flags & 3) === 2),
  'evt.is_open_write': (record) => openValue(record, (flags) => (flags & 3) === 1 || (flags & 3) === 2),
  'evt.is_open_create': (record) =>
    beforeEffect(record.hook) ? UNKNOWN : openValue(record, (flags) => (flags & 0o100) !== 0),
  'evt.io_uring': (record) => present(isRequest(record)),
  'evt.arg': (record, _context, field) => argumentValue(record, field.argument),
  'fd.num': fdValue,
  'fd.name': (record) =>
    isSocket(record) ? presentOr(tupleText(record), socketTrust(record)) : filePart(record, (path) => path),
  'fd.directory': (record) => filePart(record, directoryOf),
  'fd.filename': (record) => filePart(record, filenameOf),
  'fd.type': (record) => fileFact(record, typeName(record.typechar)),
  'fd.typechar': (record) => fileFact(record, record.typechar === '' ? undefined : record.typechar),
  'fd.dev': (record) => fileFact(record, record.ino === 0n ? undefined : record.dev),
  'fd.ino': (record) => fileFact(record, record.ino === 0n ? undefined : record.ino),
  'fd.l4proto': (record) =>
    ofSocket(record, L4_PROTOCOLS.get(record.protocol ?? 0) ?? (record.protocol === undefined ? undefined : 'absent')),
  'fd.sockfamily': socketFamily,
  'fd.connected': (record) => ofSocket(record, record.connected),
  'fd.name_changed': () => UNKNOWN,
  'fd.ip': addressOf('either', 'address'),
  'fd.cip': addressOf('client', 'address'),
  'fd.sip': addressOf('server', 'address'),
  'fd.lip': addressOf('local', 'address'),
  'fd.rip': addressOf('remote', 'address'),
  'fd.cip.name': domainOf('client'),
  'fd.sip.name': domainOf('server'),
  'fd.lip.name': domainOf('local'),
  'fd.rip.name': domainOf('remote'),
  'fd.net': addressOf('either', 'address'),
  'fd.cnet': addressOf('client', 'address'),
  'fd.snet': addressOf('server', 'address'),
  'fd.lnet': addressOf('local', 'address'),
  'fd.rnet': addressOf('remote', 'address'),
  'fd.port': addressOf('either', 'port'),
  'fd.cport': addressOf('client', 'port'),
  'fd.sport': addressOf('server', 'port'),
  'fd.lport': addressOf('local', 'port'),
  'fd.rport': addressOf('remote', 'port'),
  'fs.path.name': (record) => (record.kind === 'exec' ? UNKNOWN : namedPath(record, 'path')),
  'fs.path.source': (record) => (takes(record, 'source') ? namedPath(record, 'path') : UNKNOWN),
  'fs.path.target': (record) => namedPath(record, takes(record, 'source') ? 'path2' : 'path'),
  'proc.name': own('name'),
  'proc.exe': own('exe'),
  'proc.exepath': own('exepath'),
  'proc.args': own('args'),
  'proc.cmdline': own('cmdline'),
  'proc.cwd': workingFolder,
  'proc.is_exe_from_memfd': ofProcess((process) => presentOr(process.memfd)),
  'proc.pid': number((record) => record.pid),
  'proc.ppid': number((record) => record.parentPid),
  'proc.pname': parent('name'),
  'proc.pexe': parent('exe'),
  'proc.pexepath': parent('exepath'),
  'proc.pcmdline': parent('cmdline'),
  'proc.aname': ancestor('name'),
  'proc.aexe': ancestor('exe'),
  'proc.aexepath': ancestor('exepath'),
  'proc.acmdline': ancestor('cmdline'),
  'proc.env': own('env'),
  'proc.aargs': ancestor('args'),
  'proc.aenv': ancestor('env'),
  'proc.duration': number((record) => record.time - record.start),
  'thread.tid': number((record) => record.tid),
  'user.uid': number((record) => record.uid),
  'user.loginuid': number((record) => record.loginuid),
  'user.name': (record, { accounts }) => presentOr(accounts?.user(record.uid)?.name),
  'user.homedir': (record, { accounts }) => presentOr(accounts?.user(record.uid)?.homedir),
  'user.shell': (record, { accounts }) => presentOr(accounts?.user(record.uid)?.shell),
  'user.loginname': (record, { accounts }) => presentOr(accounts?.user(record.loginuid >>> 0)?.name),
  'group.gid': number((record) => record.gid),
  'group.name': (record, { accounts }) => presentOr(accounts?.group(record.gid)),
};

const readContainer = (record: EventRecord, context: EventContext, field: FieldRef & { name: ContainerField }) => {
  const path = context.cgroupPath(record.cgroup);
  if (path === undefined) return { value: UNKNOWN, pending: false };
  return containerValue(field, (context.containers ?? NO_CONTAINERS).facts(path), context.wallTime);
};

const isOfContainer = (field: FieldRef): field is FieldRef & { name: ContainerField } => isContainerField(field.name);

/** A field by its name and argument: how it is read, and what was read last. */
interface Slot {
  readonly key: string;
  /** Undefined for facts of the container. */
  readonly read: Reader | undefined;
  /** The number of the source whose value it is; 0: of none. */
  event: number;
  value: FieldValue;
}

const slots = new Map<string, Slot>();
const slotsOf = new WeakMap<FieldRef, Slot>();

const slotOf = (field: FieldRef): Slot => {
  let slot = slotsOf.get(field);
  if (slot !== undefined) return slot;
  const key = nameOf(field);
  slot = slots.get(key);
  if (slot === undefined) {
    const read = isOfContainer(field) ? undefined : (READERS[field.name as Exclude<FieldName, ContainerField>] ?? none);
    slot = { key, read, event: 0, value: UNKNOWN };
    slots.set(key, slot);
  }
  slotsOf.set(field, slot);
  return slot;
};

const none: Reader = () => ABSENT;

/** Undefined where the value may still come. */
const read = (record: EventRecord, context: EventContext, field: FieldRef, slot: Slot): FieldValue | undefined => {
  if (slot.read !== undefined) return slot.read(record, context, field);
  if (!isOfContainer(field)) return ABSENT;
  const { value, pending } = readContainer(record, context, field);
  if (!pending) return value;
  context.onPending?.(slot.key);
  return undefined;
};

/** Sources that were made: their numbers tell events apart. */
let sources = 0;

/** The fields of one event, each read once. A fact of a container that may still come is asked for again each time. */
export const fieldsOf = (record: EventRecord, context: EventContext): FieldSource => {
  const event = ++sources;
  return (field) => {
    const slot = slotOf(field);
    if (slot.event === event) return slot.value;
    const value = read(record, context, field, slot);
    if (value === undefined) return UNKNOWN;
    slot.event = event;
    slot.value = value;
    return value;
  };
};
