import { pushAddress } from './access.ts';
import type { Code } from './code.ts';
import { destination, pushRegister, setRegister, source } from './operands.ts';
import { WASM } from './wasm.ts';

const [ADD, OR, AND, XOR, XCHG, CMPXCHG] = [0x00, 0x40, 0x50, 0xa0, 0xe0, 0xf0] as const;
const FETCH = 1;
const WORD = 0xc3;

const COMBINE: ReadonlyMap<number, number> = new Map([
  [ADD, WASM.i64_add],
  [OR, WASM.i64_or],
  [AND, WASM.i64_and],
  [XOR, WASM.i64_xor],
]);

/** Emits an atomic operation (RFC 9669, section 5.3); the machine runs one program at a time, so it is plain. */
export function emitAtomic(code: Code, at: number): void {
  const { writer, program, word, wide } = code;
  const imm = program.imm[at]!;
  const is64 = program.opcode[at] !== WORD;
  const operation = imm & 0xf0;
  const src = source(code, at);
  const load = (): void => writer.access(is64 ? WASM.i64_load : WASM.i64_load32_u, 0);

  const offset = pushAddress(code, at, destination(code, at));
  if (offset !== 0) {
    writer.i32(offset);
    writer.byte(WASM.i32_add);
  }
  writer.tee(word);
  writer.get(word);
  load();
  writer.set(wide);
  switch (operation) {
    case XCHG:
      pushRegister(code, src);
      break;
    case CMPXCHG:
      pushRegister(code, src);
      writer.get(wide);
      writer.get(wide);
      pushRegister(code, 0);
      if (!is64) {
        writer.i64(-1);
        writer.i64(32);
        writer.byte(WASM.i64_shr_u);
        writer.byte(WASM.i64_and);
      }
      writer.byte(WASM.i64_eq);
      writer.byte(WASM.select);
      break;
    default:
      writer.get(wide);
      pushRegister(code, src);
      writer.byte(COMBINE.get(operation)!);
  }
  writer.access(is64 ? WASM.i64_store : WASM.i64_store32, 0);
  if ((imm & FETCH) === 0) return;
  writer.get(wide);
  setRegister(code, operation === CMPXCHG ? 0 : src);
}
