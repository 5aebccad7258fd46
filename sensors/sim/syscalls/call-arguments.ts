import { EFAULT, ENAMETOOLONG, ENOENT } from '../../../engine/maps/index.ts';
import { encodeSockaddr } from '../kernel/addresses.ts';
import { decodeText, encodeText } from '../kernel/kernel-object.ts';
import { isLongPath } from '../kernel/path-walk.ts';
import type { CloneArguments, OpenHow, SimAddress, SimArgument } from '../sim-host.ts';

/** Thrown inside a call that ends with an errno. No Error: nobody asks where it was thrown, and looking that up is dearer than most calls. */
export class CallError {
  /** Positive. */
  readonly errno: number;

  constructor(errno: number) {
    this.errno = errno;
  }
}

/** Nothing is ever mapped below (vm.mmap_min_addr). */
const FIRST_ADDRESS = 4096;

const isAddress = (argument: object): argument is SimAddress => 'address' in argument || 'path' in argument;

/** What a system call is given. */
export class CallArguments {
  protected given: readonly SimArgument[];

  constructor(args: readonly SimArgument[]) {
    this.given = args;
  }

  raw(index: number): SimArgument | undefined {
    return this.given[index];
  }

  /** A numeric argument, 0 where it was left out. Pointers to numbers have no value. */
  number(index: number): number {
    const argument = this.given[index];
    return typeof argument === 'number' ? argument : typeof argument === 'bigint' ? Number(argument) : 0;
  }

  /** An int: the low 32 bits, signed. */
  int(index: number): number {
    return this.number(index) | 0;
  }

  /** An unsigned int. */
  unsigned(index: number): number {
    return this.number(index) >>> 0;
  }

  isNull(index: number): boolean {
    const argument = this.given[index];
    return argument === null || argument === undefined || argument === 0 || argument === 0n;
  }

  /** An argument that points where nothing is ever mapped; the null pointer, which stands for a buffer that isn't told of, is none. */
  isWild(index: number): boolean {
    const argument = this.given[index];
    return typeof argument === 'number' && argument > 0 && argument < FIRST_ADDRESS;
  }

  /** @throws CallError EFAULT where a buffer to write to is nowhere */
  checkPointer(index: number): void {
    if (this.isWild(index)) throw new CallError(EFAULT);
  }

  /** A string argument. @throws CallError EFAULT for another pointer or none */
  text(index: number): string {
    const argument = this.given[index];
    if (typeof argument === 'string') return argument;
    if (argument instanceof Uint8Array) {
      const nul = argument.indexOf(0);
      return decodeText(nul < 0 ? argument : argument.subarray(0, nul));
    }
    throw new CallError(EFAULT);
  }

  /** A path argument. @throws CallError EFAULT, ENOENT where it is empty, ENAMETOOLONG */
  path(index: number): string {
    const text = this.pathOrNothing(index);
    if (text === '') throw new CallError(ENOENT);
    return text;
  }

  /** The same of calls that take an empty path. @throws CallError EFAULT, ENAMETOOLONG */
  pathOrNothing(index: number): string {
    const text = this.text(index);
    if (isLongPath(text)) throw new CallError(ENAMETOOLONG);
    return text;
  }

  /** The bytes that a pointer points to. @throws CallError EFAULT where it points nowhere */
  bytes(index: number): Uint8Array {
    const argument = this.given[index];
    if (argument instanceof Uint8Array) return argument;
    if (typeof argument === 'string') return encodeText(argument);
    if (typeof argument === 'object' && argument !== null && isAddress(argument)) return encodeSockaddr(argument);
    throw new CallError(EFAULT);
  }

  /** What a message header names: the bytes to send and the sockaddr they go to, undefined for the peer. @throws CallError EFAULT */
  message(index: number): { readonly bytes: Uint8Array; readonly to: Uint8Array | undefined } {
    const argument = this.given[index];
    if (typeof argument !== 'object' || argument === null || !('message' in argument)) {
      const isNumber = typeof argument === 'number' || typeof argument === 'bigint';
      if (argument === undefined || argument === null || isNumber) return { bytes: new Uint8Array(0), to: undefined };
      return { bytes: this.bytes(index), to: undefined };
    }
    const { message, to } = argument;
    return {
      bytes: typeof message === 'string' ? encodeText(message) : message,
      to: to && encodeSockaddr(to),
    };
  }

  /** A list of strings; the null pointer is the empty list, as execve takes it. @throws CallError EFAULT */
  texts(index: number): readonly string[] {
    const argument = this.given[index];
    if (this.isNull(index)) return [];
    if (Array.isArray(argument)) return argument;
    throw new CallError(EFAULT);
  }

  /** openat2's or clone3's structure. @throws CallError EFAULT */
  structure(index: number): Partial<OpenHow & CloneArguments> {
    const argument = this.given[index];
    if (typeof argument === 'object' && argument !== null && 'flags' in argument) return argument;
    throw new CallError(EFAULT);
  }
}
