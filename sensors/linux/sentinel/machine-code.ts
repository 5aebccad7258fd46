/** An argument of a call: a number, bytes that the program carries (their address), the result of an earlier call, or the program's child. */
export type CallArgument = number | bigint | Uint8Array | string | { readonly resultOf: string };

/** A system call of x86-64 by its number. */
export interface Call {
  /** What its result is called: later calls may use it, and reports name it. */
  readonly name: string;
  readonly nr: number;
  readonly arguments: readonly CallArgument[];
}

const BASE = 0x400000n;
const [HEADER_BYTES, PROGRAM_HEADER_BYTES] = [64, 56];
const ENTRY = HEADER_BYTES + PROGRAM_HEADER_BYTES;
/** Where code ends and data begins, and bytes in all. */
const DATA = 16_384;
const SIZE = 32_768;
const NR = { read: 0, write: 1, pause: 34, clone: 56, exit: 60, prctl: 157 } as const;
const [PR_SET_PDEATHSIG, SIGKILL, SIGCHLD] = [1, 9, 17];
/** The result of the first call of all: the id of a child that does nothing. */
export const CHILD = 'child';
export const RESULT_BYTES = 8;

/** mov to the registers of a call's arguments: from rax, and of a constant (Intel's manual, volume 2, MOV). */
const REGISTERS = [
  { fromRax: [0x48, 0x89, 0xc7], constant: [0x48, 0xbf] },
  { fromRax: [0x48, 0x89, 0xc6], constant: [0x48, 0xbe] },
  { fromRax: [0x48, 0x89, 0xc2], constant: [0x48, 0xba] },
  { fromRax: [0x49, 0x89, 0xc2], constant: [0x49, 0xba] },
  { fromRax: [0x49, 0x89, 0xc0], constant: [0x49, 0xb8] },
  { fromRax: [0x49, 0x89, 0xc1], constant: [0x49, 0xb9] },
] as const;
const RAX_CONSTANT = [0x48, 0xb8];
const RAX_FROM_MEMORY = [0x48, 0xa1];
const RAX_TO_MEMORY = [0x48, 0xa3];
const SYSCALL = [0x0f, 0x05];
const TEST_RAX = [0x48, 0x85, 0xc0];
const [JUMP_NOT_ZERO, JUMP_NOT_POSITIVE] = [
  [0x0f, 0x85],
  [0x0f, 0x8e],
];
const JUMP_SHORT = 0xeb;

/**
 * A static ELF program for x86-64 without libraries: it starts a child that only waits, makes the calls of `before`, and writes the child's id to stdout as 8
 * bytes. Then it makes, for each byte it reads from stdin, the calls of the next round, and writes each result likewise. It ends with its input, its child with it.
 * @throws Error where that is more than it has room for
 */
export const sentinelProgram = (before: readonly Call[], rounds: readonly (readonly Call[])[]): Uint8Array => {
  const image = new Uint8Array(SIZE);
  const view = new DataView(image.buffer);
  let at = ENTRY;
  let free = DATA;
  const results = new Map<string, number>();
  const put = (...bytes: readonly number[]): void => {
    if (at + bytes.length > DATA) throw new Error('the calls are too many for one program');
    image.set(bytes, at);
    at += bytes.length;
  };
  const put64 = (value: bigint): void => {
    view.setBigUint64(at, BigInt.asUintN(64, value), true);
    at += 8;
  };
  const reserve = (bytes: Uint8Array | number): number => {
    const place = free;
    const length = typeof bytes === 'number' ? bytes : bytes.length;
    if (place + length > SIZE) throw new Error("the calls' arguments are too large for one program");
    if (typeof bytes !== 'number') image.set(bytes, place);
    free += (length + 7) & ~7;
    return place;
  };
  const addressOf = (place: number): bigint => BASE + BigInt(place);
  const resultOf = (name: string): number => {
    const known = results.get(name) ?? reserve(RESULT_BYTES);
    results.set(name, known);
    return known;
  };
  const encoder = new TextEncoder();
  const call = (nr: number, args: readonly CallArgument[]): void => {
    for (const [index, argument] of args.entries()) {
      const register = REGISTERS[index];
      if (register === undefined) throw new Error('a call has six arguments at most');
      if (typeof argument === 'object' && 'resultOf' in argument) {
        put(...RAX_FROM_MEMORY);
        put64(addressOf(resultOf(argument.resultOf)));
        put(...register.fromRax);
        continue;
      }
      const bytes = typeof argument === 'string' ? encoder.encode(`${argument}\0`) : argument;
      put(...register.constant);
      put64(bytes instanceof Uint8Array ? addressOf(reserve(bytes)) : BigInt(bytes));
    }
    put(...RAX_CONSTANT);
    put64(BigInt(nr));
    put(...SYSCALL);
  };
  const keep = (name: string): void => {
    put(...RAX_TO_MEMORY);
    put64(addressOf(resultOf(name)));
  };
  /** Jumps over what `emit` makes. */
  const unless = (condition: readonly number[], emit: () => void): void => {
    put(...TEST_RAX, ...condition, 0, 0, 0, 0);
    const from = at;
    emit();
    view.setInt32(from - 4, at - from, true);
  };

  call(NR.clone, [SIGCHLD, 0, 0, 0, 0]);
  keep(CHILD);
  unless(JUMP_NOT_ZERO, () => {
    call(NR.prctl, [PR_SET_PDEATHSIG, SIGKILL]);
    const loop = at;
    call(NR.pause, []);
    put(JUMP_SHORT, (loop - at - 2) & 0xff);
  });
  for (const { name, nr, arguments: args } of before) {
    call(nr, args);
    keep(name);
  }
  call(NR.write, [1, addressOf(resultOf(CHILD)), RESULT_BYTES]);
  const input = reserve(1);
  const ends: number[] = [];
  for (const round of rounds) {
    call(NR.read, [0, addressOf(input), 1]);
    put(...TEST_RAX, ...JUMP_NOT_POSITIVE, 0, 0, 0, 0);
    ends.push(at);
    for (const { name, nr, arguments: args } of round) {
      call(nr, args);
      keep(name);
      call(NR.write, [1, addressOf(resultOf(name)), RESULT_BYTES]);
    }
  }
  call(NR.read, [0, addressOf(input), 1]);
  for (const from of ends) view.setInt32(from - 4, at - from, true);
  call(NR.exit, [0]);
  header(view, image);
  return image;
};

/** One segment that is read, written and executed (elf(5)). */
const header = (view: DataView, image: Uint8Array): void => {
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1], 0);
  view.setUint16(16, 2, true);
  view.setUint16(18, 62, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BASE + BigInt(ENTRY), true);
  view.setBigUint64(32, BigInt(HEADER_BYTES), true);
  view.setUint16(52, HEADER_BYTES, true);
  view.setUint16(54, PROGRAM_HEADER_BYTES, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setUint32(68, 7, true);
  view.setBigUint64(80, BASE, true);
  view.setBigUint64(88, BASE, true);
  view.setBigUint64(96, BigInt(SIZE), true);
  view.setBigUint64(104, BigInt(SIZE), true);
  view.setBigUint64(112, 4096n, true);
};
