import type { Memory } from '../../../engine/vm/index.ts';
import type { OpenFile } from './files.ts';
import { KernelObject } from './kernel-object.ts';
import { MM } from './structs.ts';
import { type ArgumentStrings, isIn, type Region, readRegion } from './user-memory.ts';

/** The first page of a process, which is never mapped. */
const UNMAPPED = 8;

/** A process's memory (struct mm_struct): so far its argument strings and which file it runs. */
export class AddressSpace extends KernelObject {
  readonly exeFile: OpenFile;
  /** Whether its owner may look at it (SUID_DUMP_USER). */
  dumpable = true;
  #strings: ArgumentStrings | undefined;
  #hidden = false;
  #users = 1;

  /** @param exeFile is released with the address space. */
  constructor(memory: Memory, exeFile: OpenFile) {
    super(memory, MM.size);
    this.exeFile = exeFile;
    this.setPointer(MM.exeFile, exeFile.at);
  }

  /** Puts a new program's strings where the process finds them. */
  set strings(strings: ArgumentStrings) {
    this.#strings = strings;
    this.setU64(MM.argStart, strings.argStart);
    this.setU64(MM.argEnd, strings.argEnd);
    this.setU64(MM.envStart, strings.argEnd);
    this.setU64(MM.envEnd, strings.envEnd);
  }

  /** Puts the environment where nothing can be read: nobody knows it. */
  hideEnvironment(): void {
    this.#hidden = true;
    this.setU64(MM.envStart, UNMAPPED);
    this.setU64(MM.envEnd, UNMAPPED + 1);
  }

  /** `NAME=value` and a NUL each. */
  get environment(): Uint8Array {
    const strings = this.#strings;
    return (strings && this.read(strings.argEnd, strings.envEnd - strings.argEnd)) ?? new Uint8Array(0);
  }

  /** Bytes at a user address, undefined where it isn't mapped. */
  read(address: number, length: number): Uint8Array | undefined {
    return this.#strings && readRegion(this.#strings.region, address, length);
  }

  /** As `read`, without a copy. */
  find(address: number, length: number): Region | undefined {
    const strings = this.#strings;
    return strings !== undefined && isIn(strings.region, address, length) ? strings.region : undefined;
  }

  share(): AddressSpace {
    this.#users++;
    return this;
  }

  /** The copy that fork makes. The strings are shared, since nothing in the simulation writes to them. */
  copy(): AddressSpace {
    const copy = new AddressSpace(this.memory, this.exeFile.share());
    if (this.#strings) copy.strings = this.#strings;
    if (this.#hidden) copy.hideEnvironment();
    copy.dumpable = this.dumpable;
    return copy;
  }

  release(): void {
    if (--this.#users > 0) return;
    this.exeFile.release();
    this.free();
  }
}
