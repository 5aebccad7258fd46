import { GUARD_BYTES, KERNEL_BASE } from '../memory.ts';
import type { Code } from './code.ts';
import { LIMIT, REGISTER_FILE } from './control-block.ts';
import { pushBase, pushRegister, pushWord, setRegister } from './operands.ts';
import type { CallPlan } from './plan.ts';
import { I64, VOID, WASM, type Writer } from './wasm.ts';

/** A record's header (kernel/bpf/ringbuf.c): its length, and what becomes of it. */
const HEADER = 8;
const BUSY = 0x8000_0000;
const DISCARD = 0x4000_0000;
const LENGTH = 0x3fff_ffff;
const FIRST = KERNEL_BASE + BigInt(GUARD_BYTES);

type Planned<Kind extends CallPlan['kind']> = Extract<CallPlan, { readonly kind: Kind }>;

/** Turns the offset in memory on the stack into an address. */
function toAddress(writer: Writer): void {
  writer.byte(WASM.i64_extend_i32_u);
  pushBase(writer);
  writer.byte(WASM.i64_or);
}

/** Leaves one of two 64-bit numbers, by what is on the stack. */
function choose(writer: Writer, chosen: () => void, otherwise: () => void): void {
  writer.byte(WASM.if);
  writer.byte(I64);
  chosen();
  writer.byte(WASM.else);
  otherwise();
  writer.byte(WASM.end);
}

/** bpf_map_lookup_elem of an array. */
export function emitArrayLookup(code: Code, { layout }: Planned<'array'>): void {
  const { writer, word } = code;
  pushWord(code, 2);
  writer.access(WASM.i32_load, 0);
  writer.tee(word);
  writer.i32(layout.maxEntries);
  writer.byte(WASM.i32_lt_u);
  const address = (): void => {
    writer.get(word);
    writer.i32(layout.stride);
    writer.byte(WASM.i32_mul);
    writer.i32(layout.values);
    writer.byte(WASM.i32_add);
    toAddress(writer);
  };
  choose(writer, address, () => writer.i64(0));
  setRegister(code, 0);
}

/** bpf_map_lookup_elem of another map: its function takes and gives an offset in memory. */
export function emitLookup(code: Code, importIndex: number): void {
  const { writer, word } = code;
  pushWord(code, 2);
  writer.byte(WASM.call);
  writer.unsigned(importIndex);
  writer.tee(word);
  const address = (): void => {
    writer.get(word);
    toAddress(writer);
  };
  choose(writer, address, () => writer.i64(0));
  setRegister(code, 0);
}

/** A helper that takes words. */
export function emitQuick(code: Code, importIndex: number, gives: Planned<'quick'>['gives']): void {
  const { writer, word } = code;
  for (const register of [1, 2, 3]) pushWord(code, register);
  pushRegister(code, 3);
  writer.i64(32);
  writer.byte(WASM.i64_shr_s);
  writer.byte(WASM.i32_wrap_i64);
  writer.byte(WASM.call);
  writer.unsigned(importIndex);
  if (gives === 'number') writer.byte(WASM.i64_extend_i32_s);
  else {
    writer.set(word);
    if (gives === 'address') {
      writer.get(word);
      toAddress(writer);
    } else {
      writer.i32(0);
      writer.access(WASM.i64_load, REGISTER_FILE);
    }
  }
  setRegister(code, 0);
}

/** bpf_map_update_elem, and without flags bpf_map_delete_elem: the map's function takes offsets in memory. */
export function emitChange(code: Code, importIndex: number, flags?: number): void {
  const { writer } = code;
  pushWord(code, 2);
  if (flags !== undefined) {
    pushWord(code, 3);
    writer.i32(flags);
  }
  writer.byte(WASM.call);
  writer.unsigned(importIndex);
  writer.byte(WASM.i64_extend_i32_s);
  setRegister(code, 0);
}

/** bpf_ringbuf_reserve of a constant size. */
export function emitReserve(code: Code, { layout, handle, bytes }: Planned<'reserve'>): void {
  const { writer, word } = code;
  const total = Math.ceil((bytes + HEADER) / 8) * 8;
  const fails = (): void => {
    count(writer, layout.lostAt, 1);
    writer.i64(0);
  };
  if (total > layout.mask) {
    fails();
    setRegister(code, 0);
    return;
  }
  writer.i32(layout.producerAt);
  writer.access(WASM.i32_load, 0);
  writer.tee(word);
  writer.i32(layout.consumerAt);
  writer.access(WASM.i32_load, 0);
  writer.byte(WASM.i32_sub);
  writer.i32(layout.mask - total);
  writer.byte(WASM.i32_gt_u);
  const reserves = (): void => {
    writer.get(word);
    writer.i32(layout.mask);
    writer.byte(WASM.i32_and);
    writer.i32(layout.data);
    writer.byte(WASM.i32_add);
    writer.tee(word);
    writer.i32(bytes | BUSY);
    writer.access(WASM.i32_store, 0);
    writer.get(word);
    writer.i32(handle);
    writer.access(WASM.i32_store, 4);
    count(writer, layout.producerAt, total);
    writer.get(word);
    writer.i32(HEADER);
    writer.byte(WASM.i32_add);
    toAddress(writer);
  };
  choose(writer, fails, reserves);
  setRegister(code, 0);
}

/** Adds to the 64-bit number at an offset in memory. */
function count(writer: Writer, offset: number, amount: number): void {
  writer.i32(offset);
  writer.i32(offset);
  writer.access(WASM.i64_load, 0);
  writer.i64(amount);
  writer.byte(WASM.i64_add);
  writer.access(WASM.i64_store, 0);
}

/** bpf_ringbuf_submit, bpf_ringbuf_discard. */
export function emitCommit(code: Code, { discards }: Planned<'commit'>): void {
  const { writer, word } = code;
  pushWord(code, 1);
  writer.i32(HEADER);
  writer.byte(WASM.i32_sub);
  writer.tee(word);
  writer.get(word);
  writer.access(WASM.i32_load, 0);
  writer.i32(LENGTH);
  writer.byte(WASM.i32_and);
  if (discards) {
    writer.i32(DISCARD);
    writer.byte(WASM.i32_or);
  }
  writer.access(WASM.i32_store, 0);
  writer.i64(0);
  setRegister(code, 0);
}

const MOVES: Readonly<Record<number, readonly [load: number, store: number]>> = {
  1: [WASM.i64_load8_u, WASM.i64_store8],
  2: [WASM.i64_load16_u, WASM.i64_store16],
  4: [WASM.i64_load32_u, WASM.i64_store32],
  8: [WASM.i64_load, WASM.i64_store],
};

/** Leaves whether the bytes at r3 lie in what is allocated; `bytes` is how many where that is known, else r2 says it, with 32 bits. */
function pushCanRead(code: Code, bytes: number | undefined): void {
  const { writer } = code;
  const pushDistance = (): void => {
    pushRegister(code, 3);
    writer.byte(WASM.i64_const);
    writer.wide(FIRST);
    writer.byte(WASM.i64_sub);
  };
  const pushLimit = (): void => {
    writer.i32(0);
    writer.access(WASM.i64_load, LIMIT);
  };
  pushDistance();
  pushLimit();
  if (bytes !== undefined) {
    writer.i64(bytes);
    writer.byte(WASM.i64_sub);
    writer.byte(WASM.i64_le_u);
    return;
  }
  writer.byte(WASM.i64_le_u);
  pushDistance();
  pushWord(code, 2);
  writer.byte(WASM.i64_extend_i32_u);
  writer.byte(WASM.i64_add);
  pushLimit();
  writer.byte(WASM.i64_le_u);
  writer.byte(WASM.i32_and);
}

/** bpf_probe_read_kernel; the host's function reads, or doesn't, where nothing is allocated. */
export function emitProbeRead(code: Code, { bytes }: Planned<'probe'>, importIndex: number): void {
  const { writer } = code;
  pushCanRead(code, bytes);
  writer.byte(WASM.if);
  writer.byte(VOID);
  pushWord(code, 1);
  pushWord(code, 3);
  const move = bytes === undefined ? undefined : MOVES[bytes];
  if (move) {
    writer.access(move[0], 0);
    writer.access(move[1], 0);
  } else {
    if (bytes === undefined) pushWord(code, 2);
    else writer.i32(bytes);
    writer.memoryCopy();
  }
  writer.i64(0);
  setRegister(code, 0);
  writer.byte(WASM.else);
  emitQuick(code, importIndex, 'number');
  writer.byte(WASM.end);
}
