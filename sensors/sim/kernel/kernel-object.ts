import { KERNEL_BASE_HIGH, type Memory } from '../../../engine/vm/index.ts';

const HIGH = KERNEL_BASE_HIGH >>> 0;

/** A kernel structure in memory: what a subclass's accessors read and write is what programs read. */
export class KernelObject {
  protected readonly memory: Memory;
  /** Offset in memory. */
  readonly at: number;
  private readonly structSize: number;

  constructor(memory: Memory, size: number) {
    this.memory = memory;
    this.structSize = size;
    this.at = memory.allocate(size);
  }

  /** Gives the structure's memory back; nothing may point to it any more. */
  protected free(): void {
    this.memory.free(this.at, this.structSize);
  }

  protected u16(offset: number): number {
    return this.memory.view.getUint16(this.at + offset, true);
  }

  protected setU16(offset: number, value: number): void {
    this.memory.view.setUint16(this.at + offset, value, true);
  }

  protected u32(offset: number): number {
    return this.memory.view.getUint32(this.at + offset, true);
  }

  protected setU32(offset: number, value: number): void {
    this.memory.view.setUint32(this.at + offset, value, true);
  }

  /** A 64-bit value that a number holds exactly. */
  protected u64(offset: number): number {
    const { view } = this.memory;
    return view.getUint32(this.at + offset, true) + view.getUint32(this.at + offset + 4, true) * 0x1_0000_0000;
  }

  protected setU64(offset: number, value: number): void {
    const { view } = this.memory;
    view.setUint32(this.at + offset, value >>> 0, true);
    view.setUint32(this.at + offset + 4, Math.floor(value / 0x1_0000_0000), true);
  }

  /** Writes the address of what lies at offset `target` in memory; 0 is the null pointer. */
  protected setPointer(offset: number, target: number): void {
    writePointer(this.memory, this.at + offset, target);
  }

  /** Writes text and a NUL, cut to `length` bytes. */
  protected setText(offset: number, length: number, text: string): void {
    const { bytes } = this.memory;
    const start = this.at + offset;
    this.memory.clear(start, length);
    if (text.length < length && isPlain(text)) {
      for (let index = 0; index < text.length; index++) bytes[start + index] = text.charCodeAt(index);
      return;
    }
    const encoded = encodeText(text);
    bytes.set(encoded.length < length ? encoded : encoded.subarray(0, length - 1), start);
  }
}

/** Writes a kernel pointer to offset `target` at offset `at`; 0 is the null pointer. */
export const writePointer = (memory: Memory, at: number, target: number): void => {
  memory.view.setUint32(at, target, true);
  memory.view.setUint32(at + 4, target === 0 ? 0 : HIGH, true);
};

/** Where a text's own copy lies in memory, and how long it is with its NUL. */
export interface TextCopy {
  readonly at: number;
  readonly size: number;
}

/** Puts a text with its NUL into memory of its own. */
export const copyText = (memory: Memory, text: string): TextCopy => {
  const bytes = encodeText(text);
  const size = bytes.length + 1;
  const at = memory.allocate(size);
  memory.bytes.set(bytes, at);
  return { at, size };
};

/** An offset that no memory reaches to: what points there can't be read. */
export const NOWHERE = 0xffff_f000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** UTF-8. Most texts of a kernel are short and ASCII, for which a loop is several times faster than TextEncoder. */
export const encodeText = (text: string): Uint8Array => {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code >= 0x80) return encoder.encode(text);
    bytes[index] = code;
  }
  return bytes;
};
/** Bytes of a text in UTF-8. */
export const textLength = (text: string): number => (isPlain(text) ? text.length : encoder.encode(text).length);

/** Whether a text is ASCII without a NUL, so that it stands in memory as it is. */
export const isPlain = (text: string): boolean => {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0 || code >= 0x80) return false;
  }
  return true;
};

/** UTF-8; what is none becomes U+FFFD. */
export const decodeText = (bytes: Uint8Array): string => decoder.decode(bytes);
