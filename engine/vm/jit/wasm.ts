/** Instructions of WebAssembly that the compiler emits (WebAssembly core specification, section 5.4). */
export const WASM = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  br_if: 0x0d,
  br_table: 0x0e,
  return: 0x0f,
  call: 0x10,
  drop: 0x1a,
  select: 0x1b,
  local_get: 0x20,
  local_set: 0x21,
  local_tee: 0x22,
  i32_load: 0x28,
  i64_load: 0x29,
  i64_load8_s: 0x30,
  i64_load8_u: 0x31,
  i64_load16_s: 0x32,
  i64_load16_u: 0x33,
  i64_load32_s: 0x34,
  i64_load32_u: 0x35,
  i32_store: 0x36,
  i64_store: 0x37,
  i64_store8: 0x3c,
  i64_store16: 0x3d,
  i64_store32: 0x3e,
  i32_const: 0x41,
  i64_const: 0x42,
  i32_eqz: 0x45,
  i32_eq: 0x46,
  i32_ne: 0x47,
  i32_lt_s: 0x48,
  i32_lt_u: 0x49,
  i32_gt_s: 0x4a,
  i32_gt_u: 0x4b,
  i32_le_s: 0x4c,
  i32_le_u: 0x4d,
  i32_ge_s: 0x4e,
  i32_ge_u: 0x4f,
  i64_eqz: 0x50,
  i64_eq: 0x51,
  i64_ne: 0x52,
  i64_lt_s: 0x53,
  i64_lt_u: 0x54,
  i64_gt_s: 0x55,
  i64_gt_u: 0x56,
  i64_le_s: 0x57,
  i64_le_u: 0x58,
  i64_ge_s: 0x59,
  i64_ge_u: 0x5a,
  i32_add: 0x6a,
  i32_sub: 0x6b,
  i32_mul: 0x6c,
  i32_div_s: 0x6d,
  i32_div_u: 0x6e,
  i32_rem_s: 0x6f,
  i32_rem_u: 0x70,
  i32_and: 0x71,
  i32_or: 0x72,
  i32_xor: 0x73,
  i32_shl: 0x74,
  i32_shr_s: 0x75,
  i32_shr_u: 0x76,
  i32_rotl: 0x77,
  i64_add: 0x7c,
  i64_sub: 0x7d,
  i64_mul: 0x7e,
  i64_div_s: 0x7f,
  i64_div_u: 0x80,
  i64_rem_s: 0x81,
  i64_rem_u: 0x82,
  i64_and: 0x83,
  i64_or: 0x84,
  i64_xor: 0x85,
  i64_shl: 0x86,
  i64_shr_s: 0x87,
  i64_shr_u: 0x88,
  i64_rotl: 0x89,
  i32_wrap_i64: 0xa7,
  i64_extend_i32_s: 0xac,
  i64_extend_i32_u: 0xad,
  i32_extend8_s: 0xc0,
  i32_extend16_s: 0xc1,
  i64_extend8_s: 0xc2,
  i64_extend16_s: 0xc3,
  i64_extend32_s: 0xc4,
} as const;

/** Value types, and the type of a block that leaves nothing. */
export const [I32, I64, VOID] = [0x7f, 0x7e, 0x40] as const;

/** Sections and kinds of import and export (section 5.5). */
export const SECTION = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;
export const KIND = { function: 0, memory: 2 } as const;

const encoder = new TextEncoder();

/** The instruction, and the memories it copies to and from. */
const MEMORY_COPY = [0xfc, 0x0a, 0, 0] as const;

/** Bytes of the size that `open` leaves room for: the longest LEB128 of 32 bits. */
const SIZE_BYTES = 5;

/** A growing row of bytes, with the number formats of WebAssembly's binary format (section 5.2). */
export interface Writer {
  /** Bytes so far. */
  readonly size: number;
  byte(value: number): void;
  /** Unsigned LEB128 of 32 bits. */
  unsigned(value: number): void;
  /** Signed LEB128 of 32 bits. */
  signed(value: number): void;
  /** Signed LEB128 of 64 bits. */
  wide(value: bigint): void;
  name(text: string): void;
  append(bytes: Uint8Array): void;
  /** Leaves room for the size in bytes of what follows; `close` takes what it returned. */
  open(): number;
  close(place: number): void;
  /** A view of what was written. */
  bytes(): Uint8Array<ArrayBuffer>;

  get(local: number): void;
  set(local: number): void;
  tee(local: number): void;
  i32(value: number): void;
  i64(value: number): void;
  /** A load or store without a hint of alignment; `offset` in bytes is added to the address. */
  access(instruction: number, offset: number): void;
  /** Takes where to, where from and how many bytes from the stack. */
  memoryCopy(): void;
}

/** @param capacity bytes to begin with */
export function createWriter(capacity: number): Writer {
  let buffer = new Uint8Array(capacity);
  let size = 0;

  const reserve = (count: number): void => {
    if (size + count <= buffer.length) return;
    const larger = new Uint8Array(Math.max(buffer.length * 2, size + count));
    larger.set(buffer);
    buffer = larger;
  };
  const byte = (value: number): void => {
    if (size === buffer.length) reserve(1);
    buffer[size++] = value;
  };
  const unsigned = (value: number): void => {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    byte(rest);
  };
  const signed = (value: number): void => {
    let rest = value | 0;
    while (rest < -0x40 || rest > 0x3f) {
      byte((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    byte(rest & 0x7f);
  };

  return {
    get size() {
      return size;
    },
    byte,
    unsigned,
    signed,
    wide: (value) => {
      let rest = BigInt.asIntN(64, value);
      while (rest < -0x40n || rest > 0x3fn) {
        byte(Number(rest & 0x7fn) | 0x80);
        rest >>= 7n;
      }
      byte(Number(rest & 0x7fn));
    },
    name: (text) => {
      const encoded = encoder.encode(text);
      unsigned(encoded.length);
      for (const each of encoded) byte(each);
    },
    append: (bytes) => {
      reserve(bytes.length);
      buffer.set(bytes, size);
      size += bytes.length;
    },
    open: () => {
      const place = size;
      for (let n = 0; n < SIZE_BYTES; n++) byte(0);
      return place;
    },
    close: (place) => {
      let rest = size - place - SIZE_BYTES;
      for (let n = 0; n < SIZE_BYTES; n++) {
        buffer[place + n] = (rest & 0x7f) | (n < SIZE_BYTES - 1 ? 0x80 : 0);
        rest >>>= 7;
      }
    },
    bytes: () => buffer.subarray(0, size),

    get: (local) => {
      byte(WASM.local_get);
      unsigned(local);
    },
    set: (local) => {
      byte(WASM.local_set);
      unsigned(local);
    },
    tee: (local) => {
      byte(WASM.local_tee);
      unsigned(local);
    },
    i32: (value) => {
      byte(WASM.i32_const);
      signed(value);
    },
    i64: (value) => {
      byte(WASM.i64_const);
      signed(value);
    },
    access: (instruction, offset) => {
      byte(instruction);
      byte(0);
      unsigned(offset);
    },
    memoryCopy: () => {
      for (const each of MEMORY_COPY) byte(each);
    },
  };
}
