import type { Memory } from '../../../engine/vm/index.ts';
import type { RequestType } from '../../../rules/index.ts';
import type { CallResult, SimArgument } from '../sim-host.ts';
import { encodeText, KernelObject } from './kernel-object.ts';
import { FILENAME, IO_ASYNC_MSGHDR, IO_KIOCB, offsetOf, SOCKADDR_STORAGE } from './structs.ts';
import type { Task } from './tasks.ts';

/** A submission queue entry: an operation with the arguments of the call that it stands for. */
export interface RingEntry {
  readonly type: RequestType;
  readonly arguments: readonly SimArgument[];
}

/** An instance of io_uring, behind its descriptor. */
export interface Ring {
  /** Entries that the process has put there and that nobody has taken yet. */
  readonly submissions: RingEntry[];
  /** What became of requests, oldest first. */
  readonly completions: CallResult[];
  /** The kernel's thread that takes entries (IORING_SETUP_SQPOLL); undefined where the process asks for it by io_uring_enter. */
  readonly thread: Task | undefined;
}

/** A path as the kernel copied it (struct filename). */
class Filename extends KernelObject {
  readonly #text: number;
  readonly #length: number;

  constructor(memory: Memory, text: string) {
    super(memory, FILENAME.size);
    const bytes = encodeText(text);
    this.#length = bytes.length + 1;
    this.#text = memory.allocate(this.#length);
    memory.bytes.set(bytes, this.#text);
    memory.bytes[this.#text + bytes.length] = 0;
    this.setPointer(FILENAME.name, this.#text);
  }

  release(): void {
    this.memory.free(this.#text, this.#length);
    this.free();
  }
}

/** A socket's address as the kernel copied it, where connect and bind keep what they need beside their own structure. */
class CopiedAddress extends KernelObject {
  constructor(memory: Memory, address: Uint8Array) {
    super(memory, SOCKADDR_STORAGE.size);
    memory.bytes.set(address, this.at);
  }

  release(): void {
    this.free();
  }
}

/** The same in a message's header, as sending keeps it. */
class CopiedHeader extends KernelObject {
  constructor(memory: Memory, address: Uint8Array) {
    super(memory, IO_ASYNC_MSGHDR.size);
    this.setPointer(IO_ASYNC_MSGHDR.name, this.at + IO_ASYNC_MSGHDR.address);
    this.setU32(IO_ASYNC_MSGHDR.nameLength, address.length);
    memory.bytes.set(address, this.at + IO_ASYNC_MSGHDR.address);
  }

  release(): void {
    this.free();
  }
}

/** A request that was taken from a ring and is prepared (struct io_kiocb). */
export class Request extends KernelObject {
  readonly #owned: { release(): void }[] = [];

  constructor(memory: Memory, opcode: number) {
    super(memory, IO_KIOCB.size);
    memory.bytes[this.at + IO_KIOCB.opcode] = opcode;
  }

  set fd(fd: number) {
    this.setU32(IO_KIOCB.fd, fd);
  }

  /** Writes a member of the operation's own structure. */
  setMember(access: string, bits: 16 | 32 | 64, value: number | bigint): void {
    const at = IO_KIOCB.command + offsetOf(access);
    if (bits === 64) this.memory.view.setBigInt64(this.at + at, BigInt.asIntN(64, BigInt(value)), true);
    else if (bits === 32) this.setU32(at, Number(value) | 0);
    else this.setU16(at, Number(value));
  }

  setPath(access: string, path: string): void {
    const copy = new Filename(this.memory, path);
    this.#owned.push(copy);
    this.setPointer(IO_KIOCB.command + offsetOf(access), copy.at);
  }

  /** @param inHeader whether the address is a part of a message's header */
  setAddress(address: Uint8Array, inHeader: boolean): void {
    const data = inHeader ? new CopiedHeader(this.memory, address) : new CopiedAddress(this.memory, address);
    this.#owned.push(data);
    this.setPointer(IO_KIOCB.asyncData, data.at);
  }

  release(): void {
    for (const each of this.#owned) each.release();
    this.free();
  }
}
