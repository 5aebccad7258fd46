import type { Memory } from '../../../engine/vm/index.ts';
import type { Dentry } from './dentries.ts';
import { encodeText, writePointer } from './kernel-object.ts';
import { type Path, writePath } from './mounts.ts';
import { DENTRY, PATH } from './structs.ts';

/** Kernel memory for what is made up for one question and given back after it. */
export class Loan {
  readonly #memory: Memory;
  readonly #taken: { readonly at: number; readonly size: number }[] = [];

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  /** The offset of `size` zero bytes. */
  take(size: number): number {
    const at = this.#memory.allocate(size);
    this.#memory.bytes.fill(0, at, at + size);
    this.#taken.push({ at, size });
    return at;
  }

  /** The kernel's own copy of bytes. */
  bytes(bytes: Uint8Array, size = bytes.length): number {
    const at = this.take(Math.max(1, size));
    this.#memory.bytes.set(bytes.subarray(0, size), at);
    return at;
  }

  /** The kernel's own copy of a text, with its NUL. */
  text(text: string): number {
    return this.bytes(encodeText(`${text}\0`));
  }

  /** A struct path. */
  path(path: Path): number {
    const at = this.take(PATH.size);
    writePath(this.#memory, at, path);
    return at;
  }

  /** The struct dentry of a name that is not there: it has no inode. */
  negativeDentry(parent: Dentry, name: string): number {
    const at = this.take(DENTRY.size);
    const bytes = encodeText(name);
    const inline = bytes.length < DENTRY.inlineNameSize;
    const text = inline ? at + DENTRY.inlineName : this.text(name);
    if (inline) this.#memory.bytes.set(bytes, text);
    writePointer(this.#memory, at + DENTRY.parent, parent.at);
    writePointer(this.#memory, at + DENTRY.sb, parent.superBlock.at);
    writePointer(this.#memory, at + DENTRY.name, text);
    this.#memory.view.setUint32(at + DENTRY.nameLength, bytes.length, true);
    return at;
  }

  /** Gives everything back. */
  end(): void {
    for (const { at, size } of this.#taken) this.#memory.free(at, size);
    this.#taken.length = 0;
  }
}
