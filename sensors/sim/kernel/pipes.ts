/** Bytes that wait to be read: of a pipe, or of one direction of a connection. */
export class Pipe {
  readonly capacity: number;
  /** Ends that are open. */
  readers = 0;
  writers = 0;
  #chunks: Uint8Array[] = [];
  #length = 0;

  /** @param capacity bytes; a pipe's default is 65,536 (pipe(7)). */
  constructor(capacity = 65_536) {
    this.capacity = capacity;
  }

  get length(): number {
    return this.#length;
  }

  /** Takes as many bytes as fit; returns how many. */
  write(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.capacity - this.#length);
    if (taken > 0) this.#chunks.push(bytes.slice(0, taken));
    this.#length += taken;
    return taken;
  }

  /** Removes and returns up to `count` bytes. */
  read(count: number): Uint8Array {
    const result = new Uint8Array(Math.min(count, this.#length));
    let filled = 0;
    while (filled < result.length) {
      const chunk = this.#chunks[0];
      if (!chunk) break;
      const part = chunk.subarray(0, result.length - filled);
      result.set(part, filled);
      filled += part.length;
      if (part.length === chunk.length) this.#chunks.shift();
      else this.#chunks[0] = chunk.subarray(part.length);
    }
    this.#length -= result.length;
    return result;
  }
}
