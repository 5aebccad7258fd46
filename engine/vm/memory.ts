/** Where a machine's memory lies in the 64-bit address space: the low 32 bits of an address are the offset into `bytes`. */
export const KERNEL_BASE = 0xffff_8880_0000_0000n;
/** The high 32 bits of every kernel address, as a signed number. */
export const KERNEL_BASE_HIGH = 0xffff_8880 | 0;

/** No allocation lies below this offset, so that a null pointer plus a member's offset faults. */
export const GUARD_BYTES = 65_536;

/** What an allocation of `size` bytes takes; also beyond 2^31. */
const roundedSize = (size: number): number =>
  size < 0x4000_0000 ? Math.max(8, (size + 7) & ~7) : Math.ceil(size / 8) * 8;

/** Up to so many bytes a loop is faster than the array's own function. */
const SHORT = 512;
/** What is freed is kept by size; the sizes below this in an array. */
const SMALL = 4096;

/** Thrown when a machine's memory is used up. */
export class OutOfMemoryError extends Error {
  constructor(wanted: number, capacity: number) {
    super(`the machine's memory of ${capacity} bytes has no room for ${wanted} more; create it with a larger capacity`);
    this.name = 'OutOfMemoryError';
  }
}

/**
 * The one linear memory of a machine: stacks, contexts, map values, ring buffers and kernel structures are allocated in it, so
 * that a pointer is the same 64 bits whoever reads it. Never grows, so that views stay valid. Host byte order is little endian.
 */
export class Memory {
  readonly capacity: number;
  readonly memory: WebAssembly.Memory;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  #top = GUARD_BYTES;
  /** Offsets that were freed, by size. */
  readonly #free = new Map<number, number[]>();
  readonly #freeSmall: (number[] | undefined)[] = new Array(SMALL / 8).fill(undefined);
  readonly #words: Int32Array;

  /** @param capacity bytes, rounded up to 64 KiB; the host commits pages only when they are touched. */
  constructor(capacity = 256 * 1024 * 1024) {
    const pages = Math.ceil(capacity / 65_536);
    this.capacity = pages * 65_536;
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.bytes = new Uint8Array(this.memory.buffer);
    this.view = new DataView(this.memory.buffer);
    this.#words = new Int32Array(this.memory.buffer);
  }

  /** Bytes handed out so far, those freed again included. */
  get used(): number {
    return this.#top;
  }

  /** Returns the offset of `size` zeroed bytes aligned to 8 (to a page from 4,096 bytes on). @throws OutOfMemoryError */
  allocate(size: number): number {
    const offset = this.tryAllocate(size);
    if (offset === 0) throw new OutOfMemoryError(size, this.capacity);
    return offset;
  }

  /** As `allocate`; 0 where there is no room. */
  tryAllocate(size: number): number {
    const rounded = roundedSize(size);
    const reused = this.#freeOf(rounded)?.pop();
    if (reused !== undefined) {
      this.clear(reused, rounded);
      return reused;
    }
    const offset = rounded >= 4096 ? this.#top + (-this.#top & 4095) : this.#top;
    if (offset + rounded > this.capacity) return 0;
    this.#top = offset + rounded;
    return offset;
  }

  /** Takes back what `allocate(size)` or `tryAllocate(size)` returned. */
  free(offset: number, size: number): void {
    const rounded = roundedSize(size);
    const list = this.#freeOf(rounded);
    if (list) list.push(offset);
    else if (rounded < SMALL) this.#freeSmall[rounded >> 3] = [offset];
    else this.#free.set(rounded, [offset]);
  }

  /** Fills a stretch with zeros. */
  clear(offset: number, length: number): void {
    if (length > SHORT || ((offset | length) & 3) !== 0) {
      this.bytes.fill(0, offset, offset + length);
      return;
    }
    const words = this.#words;
    for (let at = offset >> 2, end = (offset + length) >> 2; at < end; at++) words[at] = 0;
  }

  #freeOf(rounded: number): number[] | undefined {
    return rounded < SMALL ? this.#freeSmall[rounded >> 3] : this.#free.get(rounded);
  }

  /** The 64-bit address of an offset. */
  address(offset: number): bigint {
    return KERNEL_BASE | BigInt(offset);
  }

  /** The offset of `length` readable bytes at a kernel address, or undefined where the access faults. */
  offset(address: bigint, length: number): number | undefined {
    const offset = this.offsetOf(Number(BigInt.asIntN(32, address)), Number(BigInt.asIntN(32, address >> 32n)), length);
    return offset === -1 ? undefined : offset;
  }

  /** As `offset`, for an address given as its two halves (signed 32 bits each); -1 where the access faults. */
  offsetOf(low: number, high: number, length: number): number {
    const offset = low >>> 0;
    return high === KERNEL_BASE_HIGH && offset >= GUARD_BYTES && offset + length <= this.#top ? offset : -1;
  }
}
