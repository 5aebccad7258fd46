import { AT_FDCWD, CAPABILITIES, OPEN_FLAGS, PTRACE_REQUESTS, SIGNAL_NAMES } from '../../../rules/index.ts';
import { constantOf } from '../../constants.ts';
import type { StepArgument } from './scenario.ts';
import { parseDuration, parseEndpoint, parseMode, parseSocketAddress } from './values.ts';

/** What a value of a step may be, and what it becomes. */
export interface Kind {
  /** For "expected ...". */
  readonly expected: string;
  /** Undefined where the value is none of the kind. */
  read(value: unknown): StepArgument | undefined;
  /** Names among which the nearest to a wrong one is. */
  readonly choices?: readonly string[];
}

const literal = (value: Extract<StepArgument, { kind: 'literal' }>['value']): StepArgument => ({
  kind: 'literal',
  value,
});

const isInteger = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value);
const isText = (value: unknown): value is string | number | boolean =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/** A number, a constant's name, or several joined: 64, O_CREAT, O_WRONLY|O_CREAT, [O_WRONLY, O_CREAT]. */
const flagsOf = (value: unknown): number | undefined => {
  if (isInteger(value)) return value;
  const names = typeof value === 'string' ? value.split('|') : Array.isArray(value) ? value : undefined;
  return names?.reduce<number | undefined>((all, name: unknown) => {
    const flag = isInteger(name) ? name : typeof name === 'string' ? constantOf(name.trim()) : undefined;
    return all === undefined || flag === undefined ? undefined : all | flag;
  }, 0);
};

const flags = (expected: string, choices: readonly string[]): Kind => ({
  expected,
  choices,
  read: (value) => {
    const number = flagsOf(value);
    return number === undefined ? undefined : literal(number);
  },
});

const texts = (value: unknown): readonly string[] | undefined =>
  Array.isArray(value) && value.every(isText) ? value.map(String) : undefined;

const isConstant = (text: string): boolean => /^[A-Z][A-Z0-9]*_[A-Z0-9_]+$/.test(text);

/** How often a step may be played. */
const MAX_TIMES = 1000;

const choice = (expected: string, choices: readonly string[]): Kind => ({
  expected,
  choices,
  read: (value) => (typeof value === 'string' && choices.includes(value) ? literal(value) : undefined),
});

/** The kinds by name: those of EVENT_TYPES' arguments, and some that only steps have. */
export const KINDS = {
  path: {
    expected: 'a path such as /etc/shadow',
    read: (value) => (typeof value === 'string' ? literal(value) : undefined),
  },
  text: { expected: 'a text', read: (value) => (isText(value) ? literal(String(value)) : undefined) },
  capabilities: {
    expected: 'a list of names such as [CAP_SYS_ADMIN]',
    choices: CAPABILITIES,
    read: (value) => {
      const list = texts(value);
      return list?.every((name) => CAPABILITIES.includes(name)) === true ? literal(list) : undefined;
    },
  },
  texts: {
    expected: 'a list of texts such as [sh, -c, id]',
    read: (value) => {
      const list = texts(value);
      return list === undefined ? undefined : literal(list);
    },
  },
  fd: {
    expected: 'a file descriptor: a number, file, socket, or the path or name it was opened by',
    read: (value) => {
      if (isInteger(value)) return literal(value);
      return typeof value === 'string' && value !== '' ? { kind: 'descriptor', name: value } : undefined;
    },
  },
  dirfd: {
    expected: 'AT_FDCWD, or a file descriptor: a number or the path it was opened by',
    read: (value) => {
      if (isInteger(value)) return literal(value);
      if (value === 'AT_FDCWD') return literal(AT_FDCWD);
      return typeof value === 'string' && value !== '' ? { kind: 'descriptor', name: value } : undefined;
    },
  },
  openflags: flags('flags such as O_RDONLY or [O_WRONLY, O_CREAT]', Object.keys(OPEN_FLAGS)),
  int: flags('a number, or names of constants such as CLONE_NEWUSER or [MS_BIND, MS_REC]', [
    ...PTRACE_REQUESTS.values(),
  ]),
  signal: flags('a signal such as SIGKILL or 9', [...SIGNAL_NAMES.values()]),
  mode: {
    expected: 'octal digits in quotes such as "0644"',
    read: (value) => {
      const mode = parseMode(value);
      return mode === undefined ? undefined : literal(mode);
    },
  },
  sockaddr: {
    expected: 'an address and a port such as "203.0.113.5:4444", or the path of a socket',
    read: (value) => {
      const address = parseSocketAddress(value);
      return address === undefined ? undefined : literal(address);
    },
  },
  pid: {
    expected: "a process's name or number",
    read: (value) => {
      if (isInteger(value)) return literal(value);
      return typeof value === 'string' && value !== '' ? { kind: 'process', name: value } : undefined;
    },
  },
  uid: { expected: "a user's number", read: (value) => (isInteger(value) ? literal(value) : undefined) },
  gid: { expected: "a group's number", read: (value) => (isInteger(value) ? literal(value) : undefined) },
  ids: {
    expected: "a list of groups' numbers such as [27, 100]",
    read: (value) => (Array.isArray(value) && value.every(isInteger) ? literal(value.map(String)) : undefined),
  },
  endpoint: {
    expected: 'an address and a port such as "198.51.100.7:50000"',
    read: (value) => {
      const endpoint = parseEndpoint(value);
      return endpoint === undefined ? undefined : literal(endpoint);
    },
  },
  duration: {
    expected: 'a time such as 1.5s or 200ms',
    read: (value) => {
      const ns = parseDuration(value);
      return ns === undefined ? undefined : literal(ns);
    },
  },
  times: {
    expected: 'how often, a number from 2 to 1000',
    read: (value) => (isInteger(value) && value >= 2 && value <= MAX_TIMES ? literal(value) : undefined),
  },
  switch: choice('one of on, off', ['on', 'off']),
  agent: choice('one of hang, resume', ['hang', 'resume']),
  size: {
    expected: 'a number of bytes',
    read: (value) => (isInteger(value) && value >= 0 ? literal(value) : undefined),
  },
  pointer: {
    expected: 'a text, a list of texts, a number, or null for the null pointer',
    read: (value) => {
      if (value === null || isInteger(value)) return literal(value);
      const list = texts(value);
      if (list !== undefined) return literal(list);
      return typeof value === 'string' ? literal(value) : undefined;
    },
  },
  any: {
    expected: 'a number, a text, the name of a constant, or null',
    read: (value) => {
      if (value === null || isInteger(value)) return literal(value);
      const list = texts(value);
      if (list !== undefined) return literal(list);
      if (typeof value !== 'string') return undefined;
      const number = isConstant(value) ? flagsOf(value) : undefined;
      return literal(number ?? value);
    },
  },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;
