import type { Abi, ArgumentKind, EventType } from '../../../rules/index.ts';
import { encodeSockaddr } from '../kernel/addresses.ts';
import { encodeText } from '../kernel/kernel-object.ts';
import type { Machine } from '../kernel/machine.ts';
import { PT_REGS } from '../kernel/structs.ts';
import { type Task, TS_COMPAT } from '../kernel/tasks.ts';
import type { ScratchImage } from '../kernel/user-memory.ts';
import type { SimArgument, SimMessage } from '../sim-host.ts';
import type { PreparedCall } from './prepared.ts';

/** Where a call's arguments lie, by table (arch/x86/entry/entry_64.S, entry_64_compat.S). */
const NATIVE = [PT_REGS.di, PT_REGS.si, PT_REGS.dx, PT_REGS.r10, PT_REGS.r8, PT_REGS.r9] as const;
export const ARGUMENT_REGISTERS = {
  'x86-64': NATIVE,
  x32: NATIVE,
  ia32: [PT_REGS.bx, PT_REGS.cx, PT_REGS.dx, PT_REGS.si, PT_REGS.di, PT_REGS.bp],
} as const;

/** The result register on entry: -ENOSYS until there is a result. */
const NOT_YET = -38;

/** Arguments of 32 bits: the caller's upper half is zero. */
const NARROW: ReadonlySet<ArgumentKind> = new Set(['fd', 'dirfd', 'pid', 'uid', 'gid', 'signal', 'mode', 'openflags']);

/** Bytes of struct open_how, of struct clone_args as first published, and of struct io_uring_params. */
const OPEN_HOW_BYTES = 24;
const CLONE_ARGS_BYTES = 64;
const IO_URING_PARAMS_BYTES = 120;

/** Which arguments of an event are narrow, by index. */
const narrowOf = new WeakMap<EventType, readonly boolean[]>();

const isNarrow = (event: EventType): readonly boolean[] => {
  let narrow = narrowOf.get(event);
  if (!narrow) {
    narrow = event.arguments.map(({ kind }) => NARROW.has(kind));
    narrowOf.set(event, narrow);
  }
  return narrow;
};

/** Bytes of struct user_msghdr, and where it has the address, the vectors and their count (include/linux/socket.h). */
const MSGHDR_BYTES = 56;
const [MSG_NAME, MSG_NAMELEN, MSG_IOV, MSG_IOVLEN] = [0, 8, 16, 24];

/** Puts a message header with its one vector into the caller's memory. */
const placeMessage = ({ scratch }: Machine, { message, to }: SimMessage): number => {
  const bytes = typeof message === 'string' ? encodeText(message) : message;
  const header = new DataView(new ArrayBuffer(MSGHDR_BYTES));
  if (to) {
    const name = encodeSockaddr(to);
    header.setBigUint64(MSG_NAME, BigInt(scratch.add(name)), true);
    header.setUint32(MSG_NAMELEN, name.length, true);
  }
  const vector = new DataView(new ArrayBuffer(16));
  vector.setBigUint64(0, BigInt(scratch.add(bytes)), true);
  vector.setBigUint64(8, BigInt(bytes.length), true);
  header.setBigUint64(MSG_IOV, BigInt(scratch.add(new Uint8Array(vector.buffer))), true);
  header.setBigUint64(MSG_IOVLEN, 1n, true);
  return scratch.add(new Uint8Array(header.buffer));
};

/** Copies what an argument points to into the caller's memory and returns its address; a number is itself. */
export const placeArgument = (machine: Machine, event: EventType, argument: SimArgument, abi: Abi): number | bigint => {
  const { scratch } = machine;
  if (typeof argument === 'number' || typeof argument === 'bigint') return argument;
  if (argument === null) return 0;
  if (typeof argument === 'string') return scratch.addText(argument);
  if (argument instanceof Uint8Array) return scratch.add(argument);
  if (Array.isArray(argument)) return scratch.addTexts(argument, abi === 'x86-64' ? 8 : 4);
  if ('address' in argument || 'path' in argument) return scratch.add(encodeSockaddr(argument));
  if ('message' in argument) return placeMessage(machine, argument);
  if ('flags' in argument && event.type === 'io_uring_setup') {
    const bytes = new Uint8Array(IO_URING_PARAMS_BYTES);
    new DataView(bytes.buffer).setUint32(8, argument.flags, true);
    return scratch.add(bytes);
  }
  if ('flags' in argument) {
    const bytes = new Uint8Array(event.type === 'openat2' ? OPEN_HOW_BYTES : CLONE_ARGS_BYTES);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(argument.flags), true);
    if ('mode' in argument) view.setBigUint64(8, BigInt(argument.mode ?? 0), true);
    if ('resolve' in argument) view.setBigUint64(16, BigInt(argument.resolve ?? 0), true);
    return scratch.add(bytes);
  }
  throw new Error(`${event.type} can't take ${JSON.stringify(argument)} as an argument`);
};

/** The argument after an address or a structure is its length, which may be left out. */
const impliedLength = (event: EventType, before: SimArgument | undefined): number => {
  if (typeof before !== 'object' || before === null || before instanceof Uint8Array || Array.isArray(before)) return 0;
  if ('address' in before || 'path' in before) return encodeSockaddr(before).length;
  if ('message' in before) return 0;
  return event.type === 'openat2' ? OPEN_HOW_BYTES : CLONE_ARGS_BYTES;
};

const writeRegister = (view: DataView, at: number, value: number | bigint, narrow: boolean): void => {
  if (typeof value === 'bigint') {
    view.setBigUint64(at, BigInt.asUintN(narrow ? 32 : 64, value), true);
    return;
  }
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, narrow ? 0 : Math.floor(value / 0x1_0000_0000), true);
};

/** What entering a call writes: its arguments' registers in halves, low and high, and what they point to. */
export interface EntryImage {
  readonly registers: Uint32Array;
  readonly memory: ScratchImage;
}

/** Fills a task's pt_regs as at the entry of a call. @throws Error for what is no argument */
export const enterCall = (machine: Machine, task: Task, prepared: PreparedCall): void => {
  const { abi, image } = prepared;
  if (image) enterAgain(machine, task, prepared, image);
  else enter(machine, task, prepared);
  writeRegister(machine.memory.view, task.regsAt + PT_REGS.origAx, prepared.nr, false);
  setResult(machine, task, NOT_YET);
  task.threadStatus = abi === 'ia32' ? TS_COMPAT : 0;
};

const enter = (machine: Machine, task: Task, { event, arguments: args, abi }: PreparedCall): void => {
  const { view } = machine.memory;
  const { regsAt } = task;
  const places = ARGUMENT_REGISTERS[abi];
  machine.scratch.reset(abi);
  const narrow = isNarrow(event);
  for (let index = 0; index < places.length; index++) {
    const argument = args[index];
    const value =
      argument === undefined ? impliedLength(event, args[index - 1]) : placeArgument(machine, event, argument, abi);
    writeRegister(view, regsAt + (places[index] ?? 0), value, abi === 'ia32' || narrow[index] === true);
  }
};

const enterAgain = (
  { memory: { view }, scratch }: Machine,
  { regsAt }: Task,
  { abi }: PreparedCall,
  image: EntryImage,
): void => {
  const places = ARGUMENT_REGISTERS[abi];
  scratch.use(image.memory);
  for (let index = 0; index < places.length; index++) {
    const at = regsAt + (places[index] ?? 0);
    view.setUint32(at, image.registers[2 * index] as number, true);
    view.setUint32(at + 4, image.registers[2 * index + 1] as number, true);
  }
};

/** Keeps what entering a call has just written, for the next time that it is made. */
export const keepEntry = ({ memory: { view }, scratch }: Machine, { regsAt }: Task, prepared: PreparedCall): void => {
  const registers = ARGUMENT_REGISTERS[prepared.abi].flatMap((place) => [
    view.getUint32(regsAt + place, true),
    view.getUint32(regsAt + place + 4, true),
  ]);
  prepared.image = { registers: Uint32Array.from(registers), memory: scratch.image() };
};

/** Puts a call's result where the caller and programs find it. */
export const setResult = (machine: Machine, task: Task, result: number): void => {
  writeRegister(machine.memory.view, task.regsAt + PT_REGS.ax, result, false);
};

/** Clears the registers for a new program; the call reads as 64-bit execve from then on (set_personality_64bit). */
export const clearForExec = (machine: Machine, task: Task, execve: number): void => {
  const { memory } = machine;
  const { view } = memory;
  memory.clear(task.regsAt + PT_REGS.first, PT_REGS.di + 8 - PT_REGS.first);
  writeRegister(view, task.regsAt + PT_REGS.origAx, execve, false);
  task.threadStatus = 0;
};
