import { EVENT_TYPES } from '../../rules/index.ts';
import { errnoOf } from '../constants.ts';
import type { Recorded, RecordedDetail, SimAddress, SimArgument } from '../sim/index.ts';
import { numberOf } from './numbers.ts';
import type { RecordedCall, RecordedEvent } from './recording.ts';
import { endsOf, ownEndOf } from './sockets.ts';
import { memberOf, type StraceArgument, type StraceValue, textOf } from './value.ts';

/** What a value stands for as a call's argument: a JavaScript number where it is exact. */
const exact = (value: bigint): number | bigint => (Number.isSafeInteger(Number(value)) ? Number(value) : value);

const portOf = (struct: StraceValue, member: string): number => Number(numberOf(memberOf(struct, member)) ?? 0n);

/** The address in `inet_addr("127.0.0.1")` or `inet_pton(AF_INET6, "::1", &sin6_addr)`. */
const internetAddress = (value: StraceValue | undefined): string | undefined =>
  value?.kind === 'macro'
    ? value.arguments.map((argument) => textOf(argument.value)).find((text) => text)
    : textOf(value);

/** A sockaddr that the simulated network can take; undefined for other families and for what is no sockaddr. */
export const addressOf = (value: StraceValue | undefined): SimAddress | undefined => {
  const family = memberOf(value, 'sa_family');
  if (value === undefined || family?.kind !== 'constant') return undefined;
  switch (family.name) {
    case 'AF_INET': {
      const address = internetAddress(memberOf(value, 'sin_addr'));
      return address === undefined ? undefined : { address, port: portOf(value, 'sin_port') };
    }
    case 'AF_INET6': {
      // strace before 4.21 prints inet_pton(AF_INET6, "::1", &sin6_addr) as a member without a name
      const unnamed =
        value.kind === 'struct' ? value.members.find((member) => member.value.kind === 'macro') : undefined;
      const address = internetAddress(memberOf(value, 'sin6_addr') ?? unnamed?.value);
      return address === undefined ? undefined : { address, port: portOf(value, 'sin6_port') };
    }
    case 'AF_UNIX':
    case 'AF_LOCAL': {
      const path = textOf(memberOf(value, 'sun_path'));
      return path === undefined ? undefined : { path: path.startsWith('\0') ? `@${path.slice(1)}` : path };
    }
    default:
      return undefined;
  }
};

/** A sockaddr of another family: its first two bytes say which, the rest is zero (struct sockaddr). */
const familyBytes = (value: StraceValue): Uint8Array | undefined => {
  const family = numberOf(memberOf(value, 'sa_family'));
  return family === undefined ? undefined : Uint8Array.from({ length: 16 }, (_, at) => (at === 0 ? Number(family) : 0));
};

const convert = (value: StraceValue, kind: string | undefined): SimArgument => {
  switch (value.kind) {
    case 'string':
      return kind === 'pointer' ? value.bytes : (textOf(value) ?? '');
    case 'constant':
      if (value.name === 'NULL') return null;
      return exact(numberOf(value) ?? 0n);
    case 'array':
      if (value.items.length > 0 && value.items.every((item) => item.kind === 'string')) {
        return value.items.map((item) => textOf(item) ?? '');
      }
      return null;
    case 'struct':
      return addressOf(value) ?? familyBytes(value) ?? null;
    case 'change':
      return convert(value.before, kind);
    case 'unavailable':
      return null;
    default:
      return exact(numberOf(value) ?? 0n);
  }
};

const named = (args: readonly StraceArgument[], name: string): StraceValue | undefined =>
  args.find((argument) => argument.name === name)?.value;

const numeric = (value: StraceValue | undefined): number => Number(numberOf(value) ?? 0n);

/** clone's arguments have names and another order than the kernel's (flags, stack, parent_tid, child_tid, tls). */
const cloneArguments = (args: readonly StraceArgument[]): readonly SimArgument[] => {
  const names = ['flags', 'child_stack', 'parent_tid', 'child_tidptr', 'tls'];
  return names.map((name) => exact(numberOf(named(args, name) ?? named(args, name.replace('_tid', '_tidptr'))) ?? 0n));
};

const strings = (value: StraceValue | undefined): readonly string[] =>
  value?.kind === 'array' ? value.items.map((item) => textOf(item) ?? '') : [];

/** An environment, where strace was told to print it (`-e abbrev=!execve,execveat`); empty where it is not there whole. */
const environment = (value: StraceValue | undefined): readonly string[] => {
  const isWhole =
    value?.kind === 'array' &&
    !value.truncated &&
    value.items.every((item) => item.kind === 'string' && !item.truncated);
  return isWhole ? strings(value) : [];
};

/** Calls whose arguments strace prints otherwise than the kernel takes them. */
const SPECIAL: Readonly<Record<string, (args: readonly StraceArgument[]) => readonly SimArgument[]>> = {
  clone: cloneArguments,
  clone3: (args) => {
    const first = args[0]?.value;
    const flags = memberOf(first?.kind === 'change' ? first.before : first, 'flags');
    return [{ flags: numeric(flags) }, numeric(args[1]?.value)];
  },
  execve: (args) => [textOf(args[0]?.value) ?? '', strings(args[1]?.value), environment(args[2]?.value)],
  execveat: (args) => [
    numeric(args[0]?.value),
    textOf(args[1]?.value) ?? '',
    strings(args[2]?.value),
    environment(args[3]?.value),
    numeric(args[4]?.value),
  ],
  openat2: (args) => {
    const how = args[2]?.value;
    const flags = numeric(memberOf(how, 'flags'));
    const mode = numeric(memberOf(how, 'mode'));
    const resolve = numeric(memberOf(how, 'resolve'));
    return [numeric(args[0]?.value), textOf(args[1]?.value) ?? '', { flags, mode, resolve }, numeric(args[3]?.value)];
  },
};

/** Calls that write an address to their caller's memory. */
const WRITES_ADDRESS = new Set(['accept', 'accept4', 'getsockname', 'getpeername', 'recvfrom']);
/** Calls that write two descriptors. */
const WRITES_PAIR = new Set(['pipe', 'pipe2', 'socketpair']);

/** A recorded call's arguments as the simulated host takes them. What strace did not print is null. */
export const argumentsOf = (call: RecordedCall): readonly SimArgument[] => {
  const special = SPECIAL[call.name];
  if (special !== undefined) return special(call.arguments);
  const kinds = EVENT_TYPES.get(call.name)?.arguments ?? [];
  return call.arguments.map(({ value }, index) => {
    if (WRITES_PAIR.has(call.name) && value.kind === 'array') return null;
    if (WRITES_ADDRESS.has(call.name) && value.kind === 'struct') return null;
    return convert(value, kinds[index]?.kind);
  });
};

const peerOf = (call: RecordedCall): SimAddress | undefined =>
  addressOf(call.arguments[1]?.value) ?? endsOf(call.result.decoration)?.peer;

const pairOf = (call: RecordedCall): RecordedDetail | undefined => {
  const pair = call.arguments.map(({ value }) => value).find((value) => value.kind === 'array');
  if (pair?.kind !== 'array' || pair.items.length !== 2) return undefined;
  return { fds: [numeric(pair.items[0]), numeric(pair.items[1])] };
};

/** What the recording says of a call beside its result. `following` are the events after it. */
const detailOf = (call: RecordedCall, following: readonly RecordedEvent[]): RecordedDetail | undefined => {
  if (call.name === 'accept' || call.name === 'accept4') return peerOf(call);
  if (call.name === 'connect') return ownEndOf(call, following);
  return WRITES_PAIR.has(call.name) ? pairOf(call) : undefined;
};

/**
 * The result that a call had, as the simulated host takes it; undefined where it never returned, and where its errno is unknown. A
 * failed call's is -errno, an interrupted call's -512 to -516.
 */
export const recordedOf = (call: RecordedCall, following: readonly RecordedEvent[]): Recorded | undefined => {
  const { value, errno } = call.result;
  const number = errno === undefined ? 0 : errnoOf(errno);
  if (number === undefined || (errno === undefined && value === undefined)) return undefined;
  const result = errno === undefined ? Number(value) : -number;
  const detail = detailOf(call, following);
  return detail === undefined ? { result } : { result, detail };
};
