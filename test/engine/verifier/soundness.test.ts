import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assemble } from '../../../engine/isa/index.ts';
import { createMap } from '../../../engine/maps/index.ts';
import { type Hook, type MapSpec, relocate } from '../../../engine/object/index.ts';
import { type Verified, VerifierError, verify } from '../../../engine/verifier/index.ts';
import { createInterpreter, helperById, Memory } from '../../../engine/vm/index.ts';
import { count, seed } from '../../support/counts.ts';
import { testEnvironment } from '../../support/environment.ts';
import { CELL_BYTES, render, type Statement, statements, TABLE_BYTES } from './generate.ts';
import { BTF } from './programs.ts';
import { numbers } from './scalars.ts';

const PROGRAMS = count(60_000);
/** Milliseconds that one program may take on a slow machine. */
const PATIENCE = 50;
const CONTEXT_BYTES = 16;
const MACHINE_STACK_BYTES = 4096;

const HOOK: Hook = {
  programType: 'raw_tracepoint',
  arguments: [
    { name: 'first', type: 'scalar' },
    { name: 'second', type: 'scalar' },
  ],
  returns: { min: 0, max: 0 },
};
const CELL: MapSpec = { name: 'cell', type: 'array', keySize: 4, valueSize: CELL_BYTES, maxEntries: 1 };
const TABLE: MapSpec = { name: 'table', type: 'hash', keySize: 4, valueSize: TABLE_BYTES, maxEntries: 4 };
const SPECS = new Map([
  [10, CELL],
  [11, TABLE],
]);

interface Input {
  readonly first: bigint;
  readonly second: bigint;
  readonly cell: readonly bigint[];
  readonly random: readonly bigint[];
}

const input: fc.Arbitrary<Input> = fc.record({
  first: numbers,
  second: numbers,
  cell: fc.array(numbers, { minLength: CELL_BYTES / 8, maxLength: CELL_BYTES / 8 }),
  random: fc.array(numbers, { minLength: 1, maxLength: 4 }),
});

/** The program as the verifier accepts it, or undefined where it refuses. */
function accepted(list: readonly Statement[]): Verified | undefined {
  const assembly = assemble(render(list));
  const handle = (name: string) => (name === 'cell' ? 10 : 11);
  const instructions = relocate({ name: 'generated', hook: 'raw_tp/sys_enter', ...assembly }, handle, BTF);
  try {
    return verify(instructions, {
      name: 'generated',
      hook: HOOK,
      btf: BTF,
      map: (id) => SPECS.get(id),
      helper: helperById,
    });
  } catch (error) {
    if (error instanceof VerifierError) return undefined;
    throw error;
  }
}

/** A machine that faults on each access outside of context, stack and map values, even where it has memory. */
function machine(program: Verified, { first, second, cell, random }: Input) {
  const memory = new Memory(256 * 1024);
  const [cells, table] = [createMap(memory, CELL, 10), createMap(memory, TABLE, 11)];
  const context = memory.allocate(CONTEXT_BYTES);
  const key = memory.allocate(8);
  const allowed: [number, number][] = [
    [context, CONTEXT_BYTES],
    [cells.valueOffset!, CELL_BYTES],
  ];
  for (const n of [0, 2]) {
    table.update(new Uint8Array([n, 0, 0, 0]), new Uint8Array(TABLE_BYTES).fill(n + 1));
    memory.view.setUint32(key, n, true);
    allowed.push([table.lookupAt(key), TABLE_BYTES]);
  }
  let drawn = 0;
  const environment = testEnvironment(
    { memory, random: () => Number(BigInt.asIntN(32, random[drawn++ % random.length]!)) },
    [cells, table],
  );
  const interpreter = createInterpreter(program, environment, { maxInstructions: 1_000_000 });
  const stack = memory.used - MACHINE_STACK_BYTES;
  const calls = program.instructions.some(({ opcode, src }) => opcode === 0x85 && src === 1);
  const stackBytes = calls ? MACHINE_STACK_BYTES : 512;
  allowed.push([stack + MACHINE_STACK_BYTES - stackBytes, stackBytes]);
  const offsetOf = memory.offsetOf.bind(memory);
  memory.offsetOf = (low, high, length) => {
    const offset = offsetOf(low, high, length);
    return allowed.some(([start, size]) => offset >= start && offset + length <= start + size) ? offset : -1;
  };
  memory.view.setBigUint64(context, first, true);
  memory.view.setBigUint64(context + 8, second, true);
  cell.forEach((n, index) => {
    memory.view.setBigUint64(cells.valueOffset! + 8 * index, n, true);
  });
  return (garbage: number) => {
    memory.bytes.fill(garbage, stack, stack + MACHINE_STACK_BYTES);
    const result = interpreter.run(memory.address(context));
    return {
      result,
      executed: interpreter.executed,
      memory: memory.bytes.slice(context, stack),
      cell: cells.lookup(new Uint8Array(4)),
    };
  };
}

test(
  'what is accepted runs without a fault, ends, and does not depend on what was never written',
  () => {
    let [verified, executed] = [0, 0];
    fc.assert(
      fc.property(statements, fc.array(input, { minLength: 4, maxLength: 4 }), (list, inputs) => {
        const program = accepted(list);
        if (!program) return;
        verified++;
        for (const each of inputs) {
          const first = machine(program, each)(0);
          expect(first.result).toBe(0n);
          const { memory, ...second } = machine(program, each)(0xa5);
          expect(second).toEqual({ result: first.result, executed: first.executed, cell: first.cell });
          if (Buffer.compare(memory, first.memory) !== 0) expect(memory).toEqual(first.memory);
          executed += first.executed;
        }
      }),
      { numRuns: PROGRAMS, seed: seed('soundness') },
    );
    expect(verified).toBeGreaterThan(PROGRAMS / 5);
    expect(executed / verified / 4).toBeGreaterThan(30);
  },
  20_000 + PROGRAMS * PATIENCE,
);
