import type { Abi } from '../../../rules/index.ts';
import { encodeText } from './kernel-object.ts';

const PAGE = 4096;
/** Just above the topmost byte a 64-bit process can have (arch/x86/include/asm/page_64_types.h, TASK_SIZE_MAX). */
const STACK_TOP = 0x7fff_ffff_f000;
/** Where calls find their arguments, below the stack of any process. */
const SCRATCH = 0x7ffc_0000_0000;
/** The same for 32-bit calls, whose pointers have 32 bits. */
const SCRATCH_32 = 0xff00_0000;
/** How much scratch memory there is at first, and at most; exec takes 2 MiB of strings. */
const SCRATCH_BYTES = 65_536;
const MAX_SCRATCH_BYTES = 8 * 1024 * 1024;

/** Up to so many bytes are cleared faster by a loop than by the array's own function. */
const SHORT = 256;

/** A stretch of a process's memory: address and content. */
export interface Region {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** The strings that exec puts at the top of a new stack, in the kernel's order: arguments, environment, the file's name. */
export interface ArgumentStrings {
  readonly region: Region;
  readonly argStart: number;
  /** Also where the environment starts. */
  readonly argEnd: number;
  readonly envEnd: number;
}

const textBytes = (texts: readonly string[]): Uint8Array => encodeText(texts.map((text) => `${text}\0`).join(''));

/** What was laid out last for a list of arguments: recordings run the same programs again and again. */
const laidOut = new WeakMap<
  readonly string[],
  { readonly env: readonly string[]; readonly filename: string; readonly strings: ArgumentStrings }
>();

/** Lays out a new program's strings. The lists must not change afterwards. */
export const layOutStrings = (argv: readonly string[], env: readonly string[], filename: string): ArgumentStrings => {
  const before = laidOut.get(argv);
  if (before?.env === env && before.filename === filename) return before.strings;
  const strings = layOut(argv, env, filename);
  laidOut.set(argv, { env, filename, strings });
  return strings;
};

const layOut = (argv: readonly string[], env: readonly string[], filename: string): ArgumentStrings => {
  const args = textBytes(argv);
  const environment = textBytes(env);
  const name = textBytes([filename]);
  const end = STACK_TOP - 8;
  const argStart = end - name.length - environment.length - args.length;
  const start = Math.floor(argStart / PAGE) * PAGE;
  const bytes = new Uint8Array(STACK_TOP - start);
  bytes.set(args, argStart - start);
  bytes.set(environment, argStart - start + args.length);
  bytes.set(name, argStart - start + args.length + environment.length);
  const argEnd = argStart + args.length;
  return { region: { start, bytes }, argStart, argEnd, envEnd: argEnd + environment.length };
};

/** Whether all bytes of a stretch lie in a region. */
export const isIn = ({ start, bytes }: Region, address: number, length: number): boolean =>
  address >= start && address - start + length <= bytes.length;

/** The bytes at a user address within a region, undefined where they aren't all in it. */
export const readRegion = (region: Region, address: number, length: number): Uint8Array | undefined => {
  const offset = address - region.start;
  return isIn(region, address, length) ? region.bytes.subarray(offset, offset + length) : undefined;
};

/** What a call's arguments are in the caller's memory; must not change. */
export interface ScratchImage {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly start: number;
  readonly used: number;
}

/**
 * The part of the caller's memory in which a call's arguments lie while it is made. One for all processes, since one call is
 * made at a time.
 */
export class Scratch {
  #own = new Uint8Array(SCRATCH_BYTES);
  #bytes = this.#own;
  #start = SCRATCH;
  #used = 0;

  /** What lies there now, to be used again. */
  image(): ScratchImage {
    const mapped = Math.min(this.#bytes.length, Math.ceil(this.#used / PAGE) * PAGE);
    return { bytes: this.#bytes.slice(0, mapped), start: this.#start, used: this.#used };
  }

  /** Puts what lay there before in the place of the call before. */
  use({ bytes, start, used }: ScratchImage): void {
    if (this.#bytes === this.#own) this.#clear();
    this.#bytes = bytes;
    this.#start = start;
    this.#used = used;
  }

  #clear(): void {
    const bytes = this.#bytes;
    const used = Math.min(bytes.length, this.#used);
    if (used > SHORT) bytes.fill(0, 0, used);
    else for (let at = 0; at < used; at++) bytes[at] = 0;
    this.#used = 0;
  }

  /** Forgets the call before. */
  reset(abi: Abi): void {
    if (this.#bytes === this.#own) this.#clear();
    else this.#bytes = this.#own;
    this.#start = abi === 'x86-64' ? SCRATCH : SCRATCH_32;
    this.#used = 0;
  }

  /** Copies bytes in and returns their address. @throws Error where they don't fit */
  add(bytes: Uint8Array): number {
    const at = this.reserve(bytes.length);
    this.#bytes.set(bytes, at - this.#start);
    return at;
  }

  addText(text: string): number {
    const bytes = encodeText(text);
    const at = this.reserve(bytes.length + 1);
    this.#bytes.set(bytes, at - this.#start);
    return at;
  }

  /** The array of pointers to strings that exec takes, with its null at the end. */
  addTexts(texts: readonly string[], pointerSize: 4 | 8): number {
    const addresses = texts.map((text) => this.addText(text));
    const at = this.reserve((addresses.length + 1) * pointerSize);
    const view = new DataView(this.#bytes.buffer, at - this.#start);
    for (const [index, address] of addresses.entries()) {
      view.setUint32(index * pointerSize, address >>> 0, true);
      if (pointerSize === 8) view.setUint32(index * 8 + 4, Math.floor(address / 0x1_0000_0000), true);
    }
    return at;
  }

  /** The address of `length` zero bytes, aligned to 8. @throws Error where they don't fit */
  reserve(length: number): number {
    const at = this.#used;
    if (at + length > MAX_SCRATCH_BYTES)
      throw new Error(
        `the call's arguments take more than the ${MAX_SCRATCH_BYTES} bytes that a simulated call may pass`,
      );
    if (at + length > this.#own.length) {
      this.#own = new Uint8Array(Math.min(MAX_SCRATCH_BYTES, Math.max(SCRATCH_BYTES, 2 * (at + length))));
    }
    if (this.#bytes !== this.#own) {
      this.#own.set(this.#bytes);
      this.#bytes = this.#own;
    }
    this.#used = (at + length + 7) & ~7;
    return this.#start + at;
  }

  /** Bytes at an address; whole pages are mapped. */
  read(address: number, length: number): Uint8Array | undefined {
    const offset = address - this.#start;
    return this.has(address, length) ? this.#bytes.subarray(offset, offset + length) : undefined;
  }

  /** Whether all bytes of a stretch are mapped. */
  has(address: number, length: number): boolean {
    const offset = address - this.#start;
    return offset >= 0 && offset + length <= Math.min(this.#bytes.length, Math.ceil(this.#used / PAGE) * PAGE);
  }

  /** Where it begins, and what lies there. */
  get start(): number {
    return this.#start;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }
}
