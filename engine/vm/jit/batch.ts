import type { Code } from './code.ts';
import { pushRegister } from './operands.ts';
import { VOID, WASM } from './wasm.ts';

/** Parameters: offset of the first context, bytes to the next, how many there are, and where each r0 goes or 0. */
const [CONTEXT, STRIDE, COUNT, RESULTS] = [0, 1, 2, 3] as const;

/**
 * Repeats the main function for contexts in a row, and leaves how many r0 were not 0.
 * @param run emits it; its end is the end of the innermost block around it
 */
export function emitBatch(code: Code, run: () => void): void {
  const { writer } = code;
  const passed = code.rounds + 1;
  writer.byte(WASM.block);
  writer.byte(VOID);
  writer.byte(WASM.loop);
  writer.byte(VOID);
  writer.get(COUNT);
  writer.byte(WASM.i32_eqz);
  writer.byte(WASM.br_if);
  writer.unsigned(1);
  writer.byte(WASM.block);
  writer.byte(VOID);
  run();
  writer.byte(WASM.end);

  writer.get(passed);
  pushRegister(code, 0);
  writer.byte(WASM.i64_eqz);
  writer.byte(WASM.i32_eqz);
  writer.byte(WASM.i32_add);
  writer.set(passed);
  writer.get(RESULTS);
  writer.byte(WASM.if);
  writer.byte(VOID);
  writer.get(RESULTS);
  pushRegister(code, 0);
  writer.access(WASM.i64_store, 0);
  advance(code, RESULTS, () => writer.i32(8));
  writer.byte(WASM.end);
  advance(code, CONTEXT, () => writer.get(STRIDE));
  advance(code, COUNT, () => writer.i32(-1));
  writer.byte(WASM.br);
  writer.unsigned(0);
  writer.byte(WASM.end);
  writer.byte(WASM.end);
  writer.get(passed);
}

function advance({ writer }: Code, local: number, step: () => void): void {
  writer.get(local);
  step();
  writer.byte(WASM.i32_add);
  writer.set(local);
}
