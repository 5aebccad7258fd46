import type { HookName } from '../../engine/object/index.ts';
import {
  type ArgumentKind,
  BPF_COMMANDS,
  categoryOf,
  ERRNO_NAMES,
  type EventType,
  evaluatePredicate,
  FILE_TYPES,
  type FieldName,
  fieldOf,
  isIo,
  isIoRead,
  isIoWrite,
  isWait,
  L4_PROTOCOLS,
  type Predicate,
  PTRACE_REQUESTS,
  SIGNAL_NAMES,
  SOCKET_FAMILIES,
  SOCKET_KINDS,
  Truth,
} from '../language/index.ts';
import { assumed, atBprm, atExec, atPtrace, atSubmission } from './at-hook.ts';
import { beforeEffect, FAMILIES, isKnownArgument, isKnownEnd, isKnownOfFile, isKnownString } from './before-effect.ts';
import { factSourceOf } from './facts.ts';
import { capabilityTest, flagged, modeTest, openFlagsTest } from './flags.ts';
import {
  ABSENT,
  type BooleanFact,
  constant,
  type End,
  type NumberSlot,
  type Placed,
  type ProcessFact,
  type Site,
  type StringPart,
  type StringSlot,
  user,
} from './placed.ts';
import {
  addressTest,
  complement,
  HIGHEST,
  LOWEST,
  type NumberTest,
  numberTest,
  oneOf,
  stringTest,
  within,
} from './tests.ts';
import { afterTransformers, otherFields, transformerReason } from './transformed.ts';

/** Where requests of io_uring are seen, when they are submitted. */
export const IO_URING_HOOK: HookName = 'tp_btf/io_uring_submit_req';

/** Open-family event types. */
export const OPEN_EVENTS: readonly string[] = ['open', 'openat', 'openat2', 'creat'];
/** Event types that start a program. */
export const EXEC_EVENTS: readonly string[] = ['execve', 'execveat'];

const hasArgument = (event: EventType, ...kinds: readonly string[]): boolean =>
  event.arguments.some((argument) => kinds.includes(argument.kind));

/** Whether a socket's addresses belong to the event, and which end is the server's. */
const serverEnd = (event: EventType): End | undefined => {
  switch (event.type) {
    case 'connect':
    case 'sendto':
      return 'remote';
    case 'accept':
    case 'accept4':
    case 'bind':
    case 'listen':
      return 'local';
    default:
      return undefined;
  }
};

/** Slots whose value may be missing on an event. */
const FILE_SLOTS: ReadonlySet<string> = new Set([
  'typechar',
  'dev',
  'devMajor',
  'devMinor',
  'ino',
  'protocol',
  'connected',
]);

const number = (of: NumberSlot, test: NumberTest | undefined): Placed => {
  if (test === undefined) return user('its kind of comparison');
  const [only, more] = test.ranges;
  if (only === undefined) return constant(Truth.FALSE);
  if (more === undefined && only[0] === LOWEST && only[1] === HIGHEST && !FILE_SLOTS.has(of.slot))
    return constant(Truth.TRUE);
  return { kind: 'kernel', kernel: { place: 'number', of, test } };
};

/** Which numbers a field prints as a text: none where it never prints it. */
type NumbersOf = (text: string) => readonly (readonly [low: bigint, high: bigint])[];

/** A text field that prints numbers becomes a test of the number behind it; only comparisons with whole texts can be one. */
const printed = (
  of: NumberSlot,
  predicate: Predicate,
  numbersOf: NumbersOf,
  names: ReadonlyMap<number, string> = NO_NAMES,
): Placed => {
  const { operator, constants } = predicate;
  if (operator === 'exists') return number(of, within([[LOWEST, HIGHEST]]));
  if (!['=', '!=', 'in', 'intersects'].includes(operator)) {
    const test = namesOnly(predicate) ? namesTest(predicate, names) : undefined;
    return test === undefined ? user(`the operator ${operator} on a number's name`) : number(of, test);
  }
  const test = within(constants.flatMap((value) => (value.type === 'string' ? numbersOf(value.value) : [])));
  return number(of, operator === '!=' ? complement(test) : test);
};

const NO_NAMES: ReadonlyMap<number, string> = new Map();

/** Whether an operator's texts each hold what no decimal number does, so that only numbers with names can satisfy it. */
const namesOnly = ({ operator, constants }: Predicate): boolean =>
  ['contains', 'icontains', 'startswith', 'endswith'].includes(operator) &&
  constants.every((constant) => constant.type === 'string' && /[^-\d]/.test(constant.value));

/** The numbers whose names satisfy a comparison. */
const namesTest = (predicate: Predicate, names: ReadonlyMap<number, string>): NumberTest =>
  oneOf(
    [...names].flatMap(([code, value]) =>
      evaluatePredicate(predicate, { state: 'present', value, trust: 'resolved' }) === Truth.TRUE ? [BigInt(code)] : [],
    ),
  );

/** The number that a text is the decimal form of, where it has that many bits. */
const decimal = (text: string, bits: number): readonly (readonly [bigint, bigint])[] => {
  if (!/^-?\d+$/.test(text)) return [];
  const value = BigInt(text);
  return String(value) === text && BigInt.asIntN(bits, value) === value ? [[value, value]] : [];
};

/** Numbers that have names are printed by them, the others in decimal. */
const named =
  (names: ReadonlyMap<number, string>, bits: number): NumbersOf =>
  (text) => {
    const codes = [...names].filter(([, name]) => name === text).map(([code]) => BigInt(code));
    const plain = decimal(text, bits).filter(([value]) => !names.has(Number(value)));
    return [...codes.map((code) => [code, code] as const), ...plain];
  };

/** evt.res: SUCCESS for every result from 0 on, else the errno's name, or E and its number where it has none. */
const resultNumbers: NumbersOf = (text) => {
  if (text === 'SUCCESS') return [[0n, HIGHEST]];
  const codes = [...ERRNO_NAMES].filter(([, name]) => name === text).map(([code]) => -BigInt(code));
  const plain = text.startsWith('E') ? decimal(text.slice(1), 64) : [];
  const unnamed = plain.filter(([value]) => value > 0n && !ERRNO_NAMES.has(Number(value))).map(([value]) => -value);
  return [...codes, ...unnamed].map((code) => [code, code] as const);
};

/** Comparisons with parts of evt.res's text; a result without a name prints E and its number, which no text with another letter is part of. */
const resultName = (predicate: Predicate): Placed => {
  const { operator, constants } = predicate;
  const parts = ['contains', 'icontains', 'startswith', 'endswith'].includes(operator) ? constants : [];
  const only = (wanted: (text: string) => boolean): boolean =>
    parts.length > 0 && parts.every((part) => part.type === 'string' && wanted(part.value));
  const holds = (value: string): boolean =>
    evaluatePredicate(predicate, { state: 'present', value, trust: 'resolved' }) === Truth.TRUE;
  const successes: readonly (readonly [bigint, bigint])[] = holds('SUCCESS') ? [[0n, HIGHEST]] : [];
  if (operator !== 'endswith' && only((text) => text === 'E'))
    return number({ slot: 'result' }, within([[LOWEST, -1n], ...successes]));
  if (!only((text) => /[^E\d]/i.test(text)))
    return parts.length > 0
      ? user(`the operator ${operator} on a result's number`)
      : printed({ slot: 'result' }, predicate, resultNumbers);
  const failures = [...ERRNO_NAMES]
    .filter(([, name]) => holds(name))
    .map(([code]) => [-BigInt(code), -BigInt(code)] as const);
  return number({ slot: 'result' }, within([...successes, ...failures]));
};

const TYPE_CODES: readonly (readonly [char: string, name: string])[] = [
  ...Object.values(FILE_TYPES).map((type) => [type.char, type.name] as const),
  ['4', 'ipv4'],
  ['6', 'ipv6'],
  ['u', 'unix'],
  ['m', 'memfd'],
  ['o', 'other'],
];

/** The name that fd.type prints for fd.typechar's character. */
export const typeName = (char: string): string | undefined => TYPE_CODES.find(([code]) => code === char)?.[1];

/** A file's type is one of a few, so that any comparison of its name is a test of its character. */
const fileType = (predicate: Predicate, index: 0 | 1): Placed => {
  const hits = TYPE_CODES.filter(
    (code) => evaluatePredicate(predicate, { state: 'present', value: code[index], trust: 'resolved' }) === Truth.TRUE,
  );
  return number({ slot: 'typechar' }, oneOf(hits.map(([char]) => BigInt(char.charCodeAt(0)))));
};

const argument = (predicate: Predicate, event: EventType): Placed => {
  const name = predicate.field.argument ?? '';
  const index = event.arguments.findIndex((candidate) => candidate.name === name);
  const kind = event.arguments[index]?.kind;
  if (kind === undefined) return ABSENT;
  const names = ARGUMENT_NAMES[kind];
  if (names !== undefined)
    return printed(
      { slot: 'argument', index, bits: names.bits },
      predicate,
      named(names.names, names.bits),
      names.names,
    );
  if (kind === 'path' || kind === 'source') return path(predicate, 'path');
  if (kind === 'target') return path(predicate, hasArgument(event, 'source') ? 'path2' : 'path');
  if (kind === 'text') return path(predicate, 'text', 'raw');
  const slot: NumberSlot = { slot: 'argument', index, bits: 32 };
  const words = `evt.arg[${name}] is put into words after the kernel`;
  if (kind === 'openflags') return flagged(slot, openFlagsTest(predicate), number, words);
  if (kind === 'mode') return flagged(slot, modeTest(predicate), number, words);
  const bits = BITS[kind];
  if (bits === undefined) return user(`evt.arg[${name}] is put into words after the kernel`);
  return printed({ slot: 'argument', index, bits }, predicate, (text) => decimal(text, bits));
};

/** Arguments whose numbers have names. */
const ARGUMENT_NAMES: Partial<
  Record<ArgumentKind, { readonly bits: 32 | 64; readonly names: ReadonlyMap<number, string> }>
> = {
  signal: { bits: 32, names: SIGNAL_NAMES },
  request: { bits: 64, names: PTRACE_REQUESTS },
  family: { bits: 32, names: SOCKET_FAMILIES },
  bpfcommand: { bits: 32, names: BPF_COMMANDS },
};

/** Bits of the arguments that are printed in decimal. */
const BITS: Partial<Record<ArgumentKind, 32 | 64>> = {
  uid: 32,
  gid: 32,
  pid: 32,
  fd: 32,
  dirfd: 32,
  int: 32,
  size: 64,
};

const openAccess = (predicate: Predicate, yes: readonly bigint[], slot: 'access' | 'create'): Placed => {
  const test = numberTest(predicate);
  if (test === undefined) return user('this comparison');
  const holds = (value: bigint): boolean => test.ranges.some(([low, high]) => value >= low && value <= high);
  const all = slot === 'access' ? [0n, 1n, 2n, 3n] : [0n, 1n];
  return number({ slot }, oneOf(all.filter((value) => holds(yes.includes(value) ? 1n : 0n))));
};

const path = (predicate: Predicate, of: StringSlot, part: StringPart = 'whole'): Placed => {
  if (predicate.operator === 'exists') return user('whether it exists');
  const test = stringTest(predicate);
  return test === undefined
    ? user(`the operator ${predicate.operator}`)
    : { kind: 'kernel', kernel: { place: 'string', of, part, test } };
};

const process = (predicate: Predicate, fact: ProcessFact, depth: number | 'any'): Placed => {
  if (predicate.operator === 'exists' && depth === 0) return constant(Truth.TRUE);
  if (predicate.operator === 'exists' && depth === 1 && fact === 'name')
    return number({ slot: 'ppid' }, complement(oneOf([0n])));
  if (isBoolean(fact)) {
    const test = numberTest(predicate);
    if (test === undefined) return user('this comparison');
    const yes = test.ranges.some(([low, high]) => low <= 1n && high >= 1n);
    const no = test.ranges.some(([low, high]) => low <= 0n && high >= 0n);
    if (yes === no) return constant(yes ? Truth.TRUE : Truth.FALSE);
    const patterns = [{ match: 'equals', text: '1', fold: false }] as const;
    return { kind: 'kernel', kernel: { place: 'process', depth, fact, test: { patterns, negated: no } } };
  }
  const test = stringTest(predicate);
  return test === undefined
    ? user(`the operator ${predicate.operator}`)
    : { kind: 'kernel', kernel: { place: 'process', depth, fact, test } };
};

const isBoolean = (fact: ProcessFact): fact is BooleanFact => fact === 'memfd' || fact === 'upper' || fact === 'lower';

/** proc.aname[0] is the process itself; without an index it is any ancestor. */
const ancestor = (predicate: Predicate, fact: ProcessFact): Placed => {
  const text = predicate.field.argument;
  if (text === undefined) return process(predicate, fact, 'any');
  const depth = Number(text);
  return depth > MAX_ANCESTORS
    ? user(`an ancestor more than ${MAX_ANCESTORS} levels up`)
    : process(predicate, fact, depth);
};

/** How far the kernel walks up the living parents; beyond it an ancestor is unknown. */
export const MAX_ANCESTORS = 8;

const address = (
  predicate: Predicate,
  event: EventType,
  which: 'server' | 'client' | 'local' | 'remote' | 'either',
): Placed => {
  const ends = endsOf(event, which);
  if (ends.length === 0) return ABSENT;
  const test = addressTest(predicate);
  if (test?.networks.length === 0) return constant(test.negated ? Truth.TRUE : Truth.FALSE);
  return test === undefined
    ? user(`the operator ${predicate.operator}`)
    : { kind: 'kernel', kernel: { place: 'address', ends, test } };
};

const port = (
  predicate: Predicate,
  event: EventType,
  which: 'server' | 'client' | 'local' | 'remote' | 'either',
): Placed => {
  const ends = endsOf(event, which);
  if (ends.length === 0) return ABSENT;
  const negated = predicate.operator === '!=';
  const test = numberTest(negated ? { ...predicate, operator: '=' } : predicate);
  if (test?.ranges.length === 0) return constant(negated ? Truth.TRUE : Truth.FALSE);
  return test === undefined
    ? user(`the operator ${predicate.operator}`)
    : { kind: 'kernel', kernel: { place: 'port', ends, test, negated } };
};

/** The ends that an event's field is about; none where the event has no such end. */
export const endsOf = (
  event: EventType,
  which: 'server' | 'client' | 'local' | 'remote' | 'either',
): readonly End[] => {
  const server = serverEnd(event);
  if (server === undefined) return [];
  const client = server === 'remote' ? 'local' : 'remote';
  const present: readonly End[] = event.type === 'bind' || event.type === 'listen' ? ['local'] : ['local', 'remote'];
  const wanted: readonly End[] = {
    server: [server],
    client: [client],
    local: ['local'],
    remote: ['remote'],
    either: present,
  }[which] as readonly End[];
  return wanted.filter((end) => present.includes(end));
};

const domain = (event: EventType, which: 'server' | 'client' | 'local' | 'remote'): Placed =>
  endsOf(event, which).length === 0
    ? ABSENT
    : user("the addresses of domain names change; a socket's is compared with them after the kernel");

type Planner = (predicate: Predicate, site: Site) => Placed;

const afterKernel: Planner = (predicate) => user(`${predicate.field.name} is only known to user space`);
const evaluateText =
  (text: (site: Site) => string): Planner =>
  (predicate, site) =>
    constant(evaluatePredicate(predicate, { state: 'present', value: text(site), trust: 'resolved' }));

const eventType: Planner = (predicate, { hook, event }) => {
  const family = FAMILIES[hook] ?? [event.type];
  const truthOf = (type: string): Truth =>
    evaluatePredicate(predicate, { state: 'present', value: type, trust: 'resolved' });
  const [only, other] = new Set(family.map(truthOf));
  const onlyCreat = hook === 'lsm/file_open' && only === Truth.FALSE && truthOf('creat') === Truth.TRUE;
  if (only !== undefined && other === undefined && !onlyCreat) return constant(only);
  return user(`${hook} can't tell ${family.join(', ')} apart; name all of them`);
};

/** A truth value that the kernel has as 0 or 1; any other number is neither. */
const truthValue = (of: NumberSlot, predicate: Predicate): Placed => {
  const test = numberTest(predicate);
  const holds = (value: bigint): boolean => test?.ranges.some(([low, high]) => value >= low && value <= high) ?? false;
  return number(of, test && oneOf([0n, 1n].filter(holds)));
};

/** What only an event's type decides. */
const ofType =
  (holds: (type: string) => boolean): Planner =>
  (predicate, { event }) =>
    constant(evaluatePredicate(predicate, { state: 'present', value: holds(event.type), trust: 'resolved' }));

const capabilities = (predicate: Predicate, slot: 'capEffective' | 'capPermitted' | 'capInheritable'): Placed =>
  flagged({ slot }, capabilityTest(predicate), number, `the operator ${predicate.operator} on a set of capabilities`);

/** Of the numbers that have names, those whose name satisfies a comparison; others have no value. */
const protocol = (predicate: Predicate): Placed => number({ slot: 'protocol' }, namesTest(predicate, L4_PROTOCOLS));

const socketFamily = (predicate: Predicate): Placed => {
  const hits = [...SOCKET_KINDS].filter(
    ([, value]) => evaluatePredicate(predicate, { state: 'present', value, trust: 'resolved' }) === Truth.TRUE,
  );
  return number({ slot: 'typechar' }, oneOf(hits.map(([char]) => BigInt(char.charCodeAt(0)))));
};

const PLANNERS = {
  'evt.type': eventType,
  'evt.dir': evaluateText(() => '<'),
  'evt.num': afterKernel,
  'evt.time': afterKernel,
  'evt.rawres': (predicate) => number({ slot: 'result' }, numberTest(predicate)),
  'evt.res': (predicate) => resultName(predicate),
  'evt.failed': (predicate) => {
    const test = numberTest(predicate);
    const holds = (value: bigint): boolean =>
      test?.ranges.some(([low, high]) => value >= low && value <= high) ?? false;
    const ranges: (readonly [bigint, bigint])[] = [];
    if (holds(1n)) ranges.push([LOWEST, -1n]);
    if (holds(0n)) ranges.push([0n, HIGHEST]);
    return number({ slot: 'result' }, test && within(ranges));
  },
  'evt.is_open_read': (predicate) => openAccess(predicate, [0n, 2n], 'access'),
  'evt.is_open_write': (predicate) => openAccess(predicate, [1n, 2n], 'access'),
  'evt.is_open_create': (predicate, { hook }) =>
    hook === 'lsm/file_open'
      ? user('O_CREAT is gone from the flags at lsm/file_open')
      : openAccess(predicate, [1n], 'create'),
  'evt.io_uring': (predicate, { hook }) => {
    const value = hook === IO_URING_HOOK;
    return constant(evaluatePredicate(predicate, { state: 'present', value, trust: 'resolved' }));
  },
  'evt.arg': (predicate, { event }) => argument(predicate, event),
  'fd.num': (predicate) => number({ slot: 'fd' }, numberTest(predicate)),
  'fd.name': (predicate, { event }) =>
    serverEnd(event) ? user("a socket's name is put together after the kernel") : path(predicate, 'file'),
  'fd.directory': (predicate) => path(predicate, 'file', 'directory'),
  'fd.filename': (predicate) => path(predicate, 'file', 'filename'),
  'fd.type': (predicate) => fileType(predicate, 1),
  'fd.typechar': (predicate) => fileType(predicate, 0),
  'fd.dev': (predicate) => number({ slot: 'dev' }, numberTest(predicate)),
  'fd.ino': (predicate) => number({ slot: 'ino' }, numberTest(predicate)),
  'fd.nameraw': (predicate) => path(predicate, 'path', 'raw'),
  'fd.dev.major': (predicate) => number({ slot: 'devMajor' }, numberTest(predicate)),
  'fd.dev.minor': (predicate) => number({ slot: 'devMinor' }, numberTest(predicate)),
  'fd.l4proto': (predicate) => protocol(predicate),
  'fd.sockfamily': (predicate) => socketFamily(predicate),
  'fd.connected': (predicate) => truthValue({ slot: 'connected' }, predicate),
  'fd.name_changed': () => constant(Truth.UNKNOWN),
  'fd.is_server': (predicate, { event }) => {
    const value = serverEnd(event) === 'local';
    return constant(evaluatePredicate(predicate, { state: 'present', value, trust: 'resolved' }));
  },
  'fd.ip': (predicate, { event }) => address(predicate, event, 'either'),
  'fd.cip': (predicate, { event }) => address(predicate, event, 'client'),
  'fd.sip': (predicate, { event }) => address(predicate, event, 'server'),
  'fd.lip': (predicate, { event }) => address(predicate, event, 'local'),
  'fd.rip': (predicate, { event }) => address(predicate, event, 'remote'),
  'fd.cip.name': (_, { event }) => domain(event, 'client'),
  'fd.sip.name': (_, { event }) => domain(event, 'server'),
  'fd.lip.name': (_, { event }) => domain(event, 'local'),
  'fd.rip.name': (_, { event }) => domain(event, 'remote'),
  'fd.net': (predicate, { event }) => address(predicate, event, 'either'),
  'fd.cnet': (predicate, { event }) => address(predicate, event, 'client'),
  'fd.snet': (predicate, { event }) => address(predicate, event, 'server'),
  'fd.port': (predicate, { event }) => port(predicate, event, 'either'),
  'fd.cport': (predicate, { event }) => port(predicate, event, 'client'),
  'fd.sport': (predicate, { event }) => port(predicate, event, 'server'),
  'fd.lport': (predicate, { event }) => port(predicate, event, 'local'),
  'fd.rport': (predicate, { event }) => port(predicate, event, 'remote'),
  'fd.lnet': (predicate, { event }) => address(predicate, event, 'local'),
  'fd.rnet': (predicate, { event }) => address(predicate, event, 'remote'),
  'fs.path.nameraw': (predicate, { event }) =>
    event.type === 'chdir'
      ? user('the folder that chdir came to stands in the place of what it named')
      : path(predicate, 'path', 'raw'),
  'fs.path.sourceraw': (predicate, { event }) =>
    hasArgument(event, 'source') ? path(predicate, 'path', 'raw') : path(predicate, 'text', 'raw'),
  'fs.path.targetraw': (predicate, { event }) =>
    path(predicate, hasArgument(event, 'source') ? 'path2' : 'path', 'raw'),
  'fs.path.name': (predicate) => path(predicate, 'path'),
  'fs.path.source': (predicate, { event }) =>
    hasArgument(event, 'source')
      ? path(predicate, 'path')
      : user('what a symbolic link points to is read after the kernel'),
  'fs.path.target': (predicate, { event }) => path(predicate, hasArgument(event, 'source') ? 'path2' : 'path'),
  'proc.name': (predicate) => process(predicate, 'name', 0),
  'proc.exe': (predicate) => process(predicate, 'exe', 0),
  'proc.exepath': (predicate) => process(predicate, 'exepath', 0),
  'proc.args': (predicate) => process(predicate, 'args', 0),
  'proc.cmdline': (predicate) => process(predicate, 'cmdline', 0),
  'proc.env': (predicate) => process(predicate, 'env', 0),
  'proc.aargs': (predicate) => ancestor(predicate, 'args'),
  'proc.aenv': (predicate) => ancestor(predicate, 'env'),
  'proc.cwd': (predicate, { hook }) => path(predicate, hook === 'tp_btf/sched_process_exec' ? 'base' : 'cwd', 'raw'),
  'proc.is_exe_upper_layer': (predicate) => process(predicate, 'upper', 0),
  'proc.is_exe_lower_layer': (predicate) => process(predicate, 'lower', 0),
  'proc.duration': (predicate) => number({ slot: 'duration' }, numberTest(predicate)),
  'proc.tty': (predicate) => number({ slot: 'tty' }, numberTest(predicate)),
  'proc.vpid': (predicate) => number({ slot: 'vpid' }, numberTest(predicate)),
  'proc.pvpid': (predicate) => number({ slot: 'pvpid' }, numberTest(predicate)),
  'proc.sid': (predicate) => number({ slot: 'sid' }, numberTest(predicate)),
  'proc.pgid': (predicate) => number({ slot: 'pgid' }, numberTest(predicate)),
  'proc.vpgid': (predicate) => number({ slot: 'vpgid' }, numberTest(predicate)),
  'proc.nthreads': (predicate) => number({ slot: 'threads' }, numberTest(predicate)),
  'proc.is_sid_leader': (predicate) => truthValue({ slot: 'isSessionLeader' }, predicate),
  'proc.is_pgid_leader': (predicate) => truthValue({ slot: 'isGroupLeader' }, predicate),
  'proc.is_vpgid_leader': (predicate) => truthValue({ slot: 'isVirtualGroupLeader' }, predicate),
  'thread.vtid': (predicate) => number({ slot: 'vtid' }, numberTest(predicate)),
  'thread.ismain': (predicate) => truthValue({ slot: 'isMain' }, predicate),
  'thread.cap_effective': (predicate) => capabilities(predicate, 'capEffective'),
  'thread.cap_permitted': (predicate) => capabilities(predicate, 'capPermitted'),
  'thread.cap_inheritable': (predicate) => capabilities(predicate, 'capInheritable'),
  'syscall.type': evaluateText(({ event }) => event.type),
  'evt.source': evaluateText(() => 'syscall'),
  'evt.category': evaluateText(({ event }) => categoryOf(event.type)),
  'evt.is_io': ofType(isIo),
  'evt.is_io_read': ofType(isIoRead),
  'evt.is_io_write': ofType(isIoWrite),
  'evt.is_wait': ofType(isWait),
  'evt.is_async': ofType(() => false),
  'proc.is_exe_from_memfd': (predicate) => process(predicate, 'memfd', 0),
  'proc.pid': (predicate) => number({ slot: 'tgid' }, numberTest(predicate)),
  'proc.ppid': (predicate) => number({ slot: 'ppid' }, numberTest(predicate)),
  'proc.pname': (predicate) => process(predicate, 'name', 1),
  'proc.pexe': (predicate) => process(predicate, 'exe', 1),
  'proc.pexepath': (predicate) => process(predicate, 'exepath', 1),
  'proc.pcmdline': (predicate) => process(predicate, 'cmdline', 1),
  'proc.aname': (predicate) => ancestor(predicate, 'name'),
  'proc.aexe': (predicate) => ancestor(predicate, 'exe'),
  'proc.aexepath': (predicate) => ancestor(predicate, 'exepath'),
  'proc.acmdline': (predicate) => ancestor(predicate, 'cmdline'),
  'thread.tid': (predicate) => number({ slot: 'tid' }, numberTest(predicate)),
  'user.uid': (predicate) => number({ slot: 'uid' }, numberTest(predicate)),
  'user.loginuid': (predicate) => number({ slot: 'loginuid' }, numberTest(predicate)),
  'group.gid': (predicate) => number({ slot: 'gid' }, numberTest(predicate)),
} satisfies Partial<Record<FieldName, Planner>> & Record<string, Planner>;

/** Whether an event type carries a field at all. */
const present = (name: string, event: EventType): boolean => {
  switch (fieldOf(name)?.on) {
    case 'fd':
      return event.fd !== undefined || OPEN_EVENTS.includes(event.type);
    case 'open':
      return OPEN_EVENTS.includes(event.type);
    case 'path':
      return hasArgument(event, 'path') || (hasArgument(event, 'target') && !hasArgument(event, 'source'));
    case 'two paths':
      return hasArgument(event, 'source', 'target');
    case 'socket':
      return serverEnd(event) !== undefined;
    case 'exec':
      return EXEC_EVENTS.includes(event.type);
    case 'syscall':
      return event.nr >= 0;
    default:
      return true;
  }
};

/** At lsm/bprm_check_security the new image is known by its file only, and the process is still the old one. */
const NOT_AT_BPRM: ReadonlySet<string> = new Set([
  'proc.name',
  'proc.exe',
  'proc.args',
  'proc.cmdline',
  'proc.env',
  'proc.is_exe_upper_layer',
  'proc.is_exe_lower_layer',
]);

/** What an event's type alone says about a predicate, before any hook is chosen. */
export const truthByType = (predicate: Predicate, event: EventType): Truth => {
  const { name } = predicate.field;
  if (name === 'evt.type')
    return evaluatePredicate(predicate, { state: 'present', value: event.type, trust: 'resolved' });
  if (present(name, event) && otherFields(predicate).every((other) => present(other.name, event))) return Truth.UNKNOWN;
  return predicate.operator === 'exists' ? Truth.FALSE : Truth.ABSENT;
};

/** Fields whose value a hook and an event type tell, or that have so few values that each is evaluated beforehand. */
const AS_CONSTANT: ReadonlySet<string> = new Set(['evt.type', 'evt.dir', 'evt.io_uring', 'fd.type', 'fd.typechar']);

const isStringTest = (placed: Placed): boolean =>
  placed.kind === 'kernel' && (placed.kernel.place === 'string' || placed.kernel.place === 'process');

/** What becomes of a predicate at a hook, for an event type. */
export const placePredicate = (predicate: Predicate, site: Site): Placed => {
  const { name } = predicate.field;
  const { hook, event } = site;
  if (name === SCOPE_FIELD) return scopePlaced(predicate);
  const others = otherFields(predicate);
  if (![name, ...others.map((other) => other.name)].every((each) => present(each, event)))
    return predicate.operator === 'exists' ? constant(Truth.FALSE) : ABSENT;
  const source = factSourceOf(name);
  if (source !== undefined && others.every((other) => factSourceOf(other.name) === source))
    return { kind: 'kernel', kernel: { place: 'facts', of: source, predicate } };
  const beyond = AS_CONSTANT.has(name) && others.length === 0 ? undefined : afterTransformers(predicate);
  if (beyond !== undefined) return user(beyond);
  const planner = (PLANNERS as Record<string, Planner>)[name];
  if (planner === undefined) return user(`${name} is only known to user space`);
  const placed = planner(predicate, site);
  if (predicate.left !== undefined && placed.kind !== 'user' && !AS_CONSTANT.has(name) && !isStringTest(placed))
    return user(transformerReason(predicate));
  if (hook === 'tp_btf/sched_process_exec' && placed.kind === 'kernel') return atExec(placed, event);
  if (hook === IO_URING_HOOK) return atSubmission(placed, predicate, event);
  if (!beforeEffect(hook)) return placed;
  if (fieldOf(name)?.result || name === 'fd.num')
    return name === 'fd.num' && hook !== 'lsm/file_open'
      ? user(`fd.num isn't known at ${hook}`)
      : assumed(placed, name, hook);
  if (hook === 'lsm/bprm_check_security') {
    if (NOT_AT_BPRM.has(name)) return user(`${name} of the new program isn't known at ${hook}; proc.exepath is`);
    if (name === 'proc.exepath' || name === 'proc.is_exe_from_memfd') return atBprm(placed);
  }
  if (placed.kind !== 'kernel') return placed;
  const { kernel } = placed;
  if (kernel.place === 'number' && kernel.of.slot === 'argument') {
    const argument = predicate.field.argument ?? '';
    if (hook === 'lsm/ptrace_access_check' && argument === 'request') return atPtrace(kernel.test);
    return isKnownArgument(hook, argument) ? placed : user(`evt.arg[${argument}] isn't known at ${hook}`);
  }
  if (kernel.place === 'string' && !isKnownString(hook, kernel.of, kernel.part))
    return user(`${name} isn't known at ${hook}${hook === 'lsm/file_open' ? '; fd.name is' : ''}`);
  if ((kernel.place === 'address' || kernel.place === 'port') && !kernel.ends.every((end) => isKnownEnd(hook, end)))
    return user(`${name} isn't known at ${hook}`);
  if (kernel.place === 'number' && FILE_SLOTS.has(kernel.of.slot) && !isKnownOfFile(hook, kernel.of.slot))
    return user(`${name} isn't known at ${hook}`);
  return placed;
};

/** Not in the catalogue: a policy's scope as a predicate of each of its rules. */
export const SCOPE_FIELD = 'scope.cgroup';

const scopePlaced = (predicate: Predicate): Placed => {
  const [cgroup] = predicate.constants;
  return { kind: 'kernel', kernel: { place: 'scope', cgroup: cgroup?.type === 'string' ? cgroup.value : '/' } };
};
