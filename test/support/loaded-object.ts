/** What a program is run on. */
export interface RunInput {
  /** What r1 points to, where it is plain bytes: registers, arguments, a syscall program's request. */
  readonly context?: Uint8Array;
  /** A packet with its Ethernet header, of a run without `context`; or the value of a socket option, of a run with one. */
  readonly packet?: Uint8Array;
}

export interface RunOutput {
  /** r0 as a signed number of 32 bits. */
  readonly result: number;
  /** Context and packet afterwards; without a header that the program's type doesn't see. */
  readonly context: Uint8Array;
  readonly packet: Uint8Array;
}

/** An object's programs and maps where they were loaded; the simulated machine and the running kernel have the same. */
export interface LoadedObject {
  readonly place: 'simulated machine' | 'running kernel';
  run(program: string, input?: RunInput): RunOutput;
  lookup(map: string, key: Uint8Array): Uint8Array | undefined;
  /** The values of a per-CPU map's key, one a CPU. */
  lookupPerCpu(map: string, key: Uint8Array): readonly Uint8Array[] | undefined;
  /** 0 or a negative errno. @param key undefined for queue, stack and bloom filter */
  update(map: string, key: Uint8Array | undefined, value: Uint8Array): number;
  keys(map: string): readonly Uint8Array[];
  /** Takes the records out of a ring buffer. */
  records(map: string): readonly Uint8Array[];
  /** A global variable's bytes. */
  variable(name: string): Uint8Array;
  /** A global variable of up to 8 bytes as an unsigned number. */
  number(name: string): bigint;
  close(): void;
}

/** A key of four bytes. */
export const index = (number: number): Uint8Array => new Uint8Array(Uint32Array.of(number).buffer);
