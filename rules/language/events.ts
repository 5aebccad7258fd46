import { SYSCALLS } from './syscalls.ts';

/**
 * What an argument is: `path` is the file the call is about, `source` and `target` those of calls with two; a `dirfd` belongs to
 * the path argument after it.
 */
export type ArgumentKind =
  | 'fd'
  | 'dirfd'
  | 'path'
  | 'source'
  | 'target'
  | 'text'
  | 'openflags'
  | 'mode'
  | 'sockaddr'
  | 'pid'
  | 'uid'
  | 'gid'
  | 'signal'
  | 'request'
  | 'family'
  | 'bpfcommand'
  | 'size'
  | 'int'
  | 'pointer';

export interface EventArgument {
  readonly name: string;
  readonly kind: ArgumentKind;
}

/** A type of event: a system call under its kernel name, or `procexit` and `clone`'s like that other hooks report. */
export interface EventType {
  readonly type: string;
  /** Number in the x86-64 table; -1 for what is no system call. */
  readonly nr: number;
  /** Number in the ia32 table; -1 where it has none. */
  readonly nr32: number;
  readonly arguments: readonly EventArgument[];
  /** Where the event's file descriptor is: the result, an argument's index, or nowhere. */
  readonly fd: 'result' | number | undefined;
}

const argumentsOf = (text: string): readonly EventArgument[] =>
  text === ''
    ? []
    : text.split(' ').map((argument) => {
        const [name = '', kind = 'int'] = argument.split(':');
        return Object.freeze({ name, kind: kind as ArgumentKind });
      });

const fdOf = (result: string, args: readonly EventArgument[]): 'result' | number | undefined => {
  if (result === 'result') return 'result';
  const index = args.findIndex((argument) => argument.kind === 'fd');
  return index < 0 ? undefined : index;
};

/** Every event type by name. */
export const EVENT_TYPES: ReadonlyMap<string, EventType> = new Map<string, EventType>([
  ...SYSCALLS.map(([type, nr, nr32, text, result]): [string, EventType] => {
    const args = argumentsOf(text);
    return [type, Object.freeze({ type, nr, nr32, arguments: args, fd: fdOf(result, args) })];
  }),
  [
    'procexit',
    Object.freeze({ type: 'procexit', nr: -1, nr32: -1, arguments: argumentsOf('status:int'), fd: undefined }),
  ],
]);

/** The tables of system calls: 64-bit calls, 32-bit ones, and 64-bit ones with 32-bit pointers. */
export type Abi = 'x86-64' | 'ia32' | 'x32';

/** Marks the x32 table in a call's number (__X32_SYSCALL_BIT of arch/x86/include/uapi/asm/unistd.h). */
export const X32_BIT = 0x4000_0000;

/** The first number that means another function in the x32 table than in that of x86-64, which ends below it. */
export const FIRST_X32_CALL = 512;

/** Calls with a number of their own in the x32 table, from `FIRST_X32_CALL` on (arch/x86/entry/syscalls/syscall_64.tbl). */
const X32_CALLS = `
  rt_sigaction rt_sigreturn ioctl readv writev recvfrom sendmsg recvmsg execve ptrace rt_sigpending rt_sigtimedwait
  rt_sigqueueinfo sigaltstack timer_create mq_notify kexec_load waitid set_robust_list get_robust_list vmsplice move_pages
  preadv pwritev rt_tgsigqueueinfo recvmmsg sendmmsg process_vm_readv process_vm_writev setsockopt getsockopt io_setup
  io_submit execveat preadv2 pwritev2
`
  .trim()
  .split(/\s+/);

/** How many calls those are. */
export const X32_CALL_COUNT = X32_CALLS.length;

const X32_NUMBERS = new Map(X32_CALLS.map((name, index) => [name, FIRST_X32_CALL + index]));

/**
 * Further numbers in the ia32 table of calls whose arguments stand as in x86-64's: with users of 32 bits instead of 16, with sizes of 64 bits,
 * and umount without flags (arch/x86/entry/syscalls/syscall_32.tbl).
 */
const MORE_IA32: readonly (readonly [type: string, number: number])[] = [
  ['umount2', 22],
  ['mmap', 192],
  ['truncate', 193],
  ['ftruncate', 194],
  ['lchown', 198],
  ['setreuid', 203],
  ['setregid', 204],
  ['setgroups', 206],
  ['fchown', 207],
  ['setresuid', 208],
  ['setresgid', 210],
  ['chown', 212],
  ['setuid', 213],
  ['setgid', 214],
  ['setfsuid', 215],
  ['setfsgid', 216],
  ['fcntl', 221],
];

/**
 * socketcall (102 in the ia32 table) does one of these calls by their number from 1, with arguments that lie in memory
 * (include/uapi/linux/net.h). In records such a call's number is `first` and its own.
 */
const SOCKETCALLS = `
  socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown setsockopt getsockopt sendmsg
  recvmsg accept4 recvmmsg sendmmsg
`
  .trim()
  .split(/\s+/);
export const SOCKETCALL = { number: 102, first: 4096, count: SOCKETCALLS.length + 1 } as const;

const BY_NUMBER = new Map([...EVENT_TYPES.values()].filter((event) => event.nr >= 0).map((event) => [event.nr, event]));
const FURTHER_IA32 = [
  ...MORE_IA32,
  ...SOCKETCALLS.map((type, index) => [type, SOCKETCALL.first + index + 1] as const),
].filter(([type]) => EVENT_TYPES.has(type));

const BY_NUMBER_32 = new Map([
  ...[...EVENT_TYPES.values()].filter((event) => event.nr32 >= 0).map((event) => [event.nr32, event] as const),
  ...FURTHER_IA32.flatMap(([type, number]) => {
    const event = EVENT_TYPES.get(type);
    return event === undefined ? [] : [[number, event] as const];
  }),
]);

/** The number of an event's call in a table, as it stands in orig_ax; undefined where the table doesn't have it. */
export const callNumber = (event: EventType, abi: Abi): number | undefined => {
  const number = abi === 'ia32' ? event.nr32 : event.nr;
  if (number < 0) return undefined;
  return abi === 'x32' ? X32_BIT + (X32_NUMBERS.get(event.type) ?? number) : number;
};

/** All numbers of an event's call in a table, those that it has by way of socketcall among them. */
export const callNumbers = (event: EventType, abi: Abi): readonly number[] => {
  const number = callNumber(event, abi);
  const more = abi === 'ia32' ? FURTHER_IA32.filter(([type]) => type === event.type).map(([, each]) => each) : [];
  return number === undefined ? more : [number, ...more];
};

/** The event type of a system call's number in one of the tables. */
export const eventTypeOf = (abi: Abi, nr: number): EventType | undefined => {
  if (abi !== 'x32') return (abi === 'ia32' ? BY_NUMBER_32 : BY_NUMBER).get(nr);
  const own = nr - X32_BIT;
  return own < FIRST_X32_CALL ? BY_NUMBER.get(own) : EVENT_TYPES.get(X32_CALLS[own - FIRST_X32_CALL] ?? '');
};
