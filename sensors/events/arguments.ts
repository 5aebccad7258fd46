import {
  type ArgumentKind,
  BPF_COMMANDS,
  type EventRecord,
  MODE_BITS,
  OPEN_FLAGS,
  PTRACE_REQUESTS,
  SIGNAL_NAMES,
  SOCKET_FAMILIES,
} from '../../rules/index.ts';

const ACCESS_MODES = ['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'] as const;

const names = (value: number, table: Readonly<Record<string, number>>): string[] =>
  Object.entries(table)
    .filter(([, bit]) => bit > 3 && (value & bit) === bit)
    .map(([name]) => name);

/** Open flags by name: `O_WRONLY|O_CREAT`. */
const openFlagsText = (flags: number): string => [ACCESS_MODES[flags & 3], ...names(flags, OPEN_FLAGS)].join('|');

/** Permission bits by name: `S_ISUID|S_IRUSR`; 0 where none is set. */
const modeText = (mode: number): string => {
  const set = Object.entries(MODE_BITS)
    .filter(([, bit]) => (mode & bit) !== 0)
    .map(([name]) => name);
  return set.length === 0 ? '0' : set.join('|');
};

const signed = (value: bigint, bits: 32 | 64): string => BigInt.asIntN(bits, value).toString();

/** A number by its name, in decimal where it has none. */
const named =
  (names: ReadonlyMap<number, string>, bits: 32 | 64) =>
  (value: bigint): string =>
    names.get(Number(BigInt.asIntN(bits, value))) ?? signed(value, bits);

const FORMATS: Readonly<Record<ArgumentKind, (value: bigint) => string | undefined>> = {
  fd: (value) => signed(value, 32),
  dirfd: (value) => signed(value, 32),
  int: (value) => signed(value, 32),
  pid: (value) => signed(value, 32),
  uid: (value) => signed(value, 32),
  gid: (value) => signed(value, 32),
  size: (value) => signed(value, 64),
  pointer: (value) => `0x${value.toString(16)}`,
  openflags: (value) => openFlagsText(Number(value & 0xffff_ffffn)),
  mode: (value) => modeText(Number(value & 0xffffn)),
  signal: named(SIGNAL_NAMES, 32),
  request: named(PTRACE_REQUESTS, 64),
  family: named(SOCKET_FAMILIES, 32),
  bpfcommand: named(BPF_COMMANDS, 32),
  path: () => undefined,
  source: () => undefined,
  target: () => undefined,
  text: () => undefined,
  sockaddr: () => undefined,
};

/** A numeric argument of the record's call as text; undefined for arguments that are strings or addresses. */
export const argumentText = (record: EventRecord, index: number): string | undefined => {
  const argument = record.event?.arguments[index];
  const value = record.arguments[index];
  if (argument === undefined || value === undefined) return undefined;
  return FORMATS[argument.kind](value);
};

const TEXT_KINDS: ReadonlySet<ArgumentKind> = new Set(['path', 'source', 'target', 'text', 'sockaddr']);
const UNSIGNED_KINDS: ReadonlySet<ArgumentKind> = new Set(['pointer', 'openflags', 'mode']);

/** An argument of the record's call as the number that was passed; undefined for texts and addresses. */
export const argumentNumber = (record: EventRecord, index: number): bigint | undefined => {
  const kind = record.event?.arguments[index]?.kind;
  const value = record.arguments[index];
  if (kind === undefined || value === undefined || TEXT_KINDS.has(kind)) return undefined;
  if (kind === 'pointer') return value;
  if (UNSIGNED_KINDS.has(kind)) return BigInt.asUintN(32, value);
  return BigInt.asIntN(kind === 'size' ? 64 : 32, value);
};
