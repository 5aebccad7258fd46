import { describe, expect, test } from 'vitest';
import {
  add,
  assemble,
  atomicAdd,
  call,
  callLocal,
  exit,
  type Instruction,
  type Item,
  ja,
  jal,
  label,
  lddw,
  ldx,
  ldxsx,
  mov,
  R0,
  R1,
  R2,
  R3,
  R6,
  R9,
  R10,
  st,
  stx,
} from '../../../engine/isa/index.ts';
import { type BpfMap, createMap } from '../../../engine/maps/index.ts';
import type { MapSpec } from '../../../engine/object/index.ts';
import {
  createInterpreter,
  Fault,
  type Helper,
  HelperError,
  type InterpreterOptions,
  type VmEnvironment,
} from '../../../engine/vm/index.ts';
import { testEnvironment } from '../../support/environment.ts';

const machine = (items: readonly Item[], options: InterpreterOptions = {}, environment = testEnvironment()) =>
  createInterpreter(assemble(items), environment, options);

const helper = (id: number, run: Helper['run']): Helper => ({
  ...{ name: `helper_${id}`, id, arguments: [], returns: 'scalar', programTypes: 'all' },
  run,
});

/** An array map with one value; its place may be another than the map's own. */
function oneValueMap(environment: VmEnvironment, valueOffset: number | undefined): BpfMap {
  const spec: MapSpec = { name: 'config', type: 'array', keySize: 4, valueSize: 16, maxEntries: 1 };
  const map = createMap(environment.memory, spec, 7);
  return { ...map, valueOffset: valueOffset ?? map.valueOffset };
}

describe('run', () => {
  test('gives r0 without sign and counts instructions', () => {
    const interpreter = machine([mov(R0, -1), exit()]);
    expect(interpreter.run(0n)).toBe(0xffff_ffff_ffff_ffffn);
    expect(interpreter.executed).toBe(2);
  });

  test('sets r1, r2 where there is a length, and begins with 0 elsewhere', () => {
    const interpreter = machine([mov(R0, R1), add(R0, R2), add(R0, R9), mov(R9, 1), exit()]);
    expect(interpreter.run(40n, 2n)).toBe(42n);
    expect(interpreter.run(40n)).toBe(40n);
  });

  test('reads and writes the context in place', () => {
    const environment = testEnvironment();
    const context = environment.memory.allocate(8);
    environment.memory.view.setInt16(context + 2, -2, true);
    const items = [ldxsx('h', R0, R1, 2), st('b', R1, 0, 7), exit()];
    expect(machine(items, {}, environment).run(environment.memory.address(context))).toBe(2n ** 64n - 2n);
    expect(environment.memory.bytes[context]).toBe(7);
  });

  test('keeps r6 to r9 across local calls and gives each function its own 512 bytes of stack', () => {
    const interpreter = machine([
      mov(R6, 5),
      st('dw', R10, -8, 30),
      callLocal('function'),
      add(R0, R6),
      ldx('dw', R3, R10, -8),
      add(R0, R3),
      exit(),
      label('function'),
      mov(R6, 1000),
      st('dw', R10, -8, 1000),
      mov(R0, 7),
      exit(),
    ]);
    expect(interpreter.run(0n)).toBe(42n);
  });

  test('hands helpers all registers, and takes a negative result as 64 bits', () => {
    const seen: bigint[][] = [];
    const sum = helper(77, (_, registers) => {
      seen.push([...registers]);
      return -14n;
    });
    const interpreter = machine([mov(R1, 1), mov(R2, -2), mov(R6, 6), call(77), exit()], {
      helper: (id) => (id === 77 ? sum : undefined),
    });
    expect(interpreter.run(0n)).toBe(2n ** 64n - 14n);
    expect(seen[0]?.length).toBe(11);
    expect(seen[0]?.slice(1, 7)).toEqual([1n, 2n ** 64n - 2n, 0n, 0n, 0n, 6n]);
  });

  test('knows the helpers that there are', () => {
    const environment = testEnvironment({ bootNs: () => 123n });
    const BPF_FUNC_ktime_get_ns = 5;
    expect(machine([call(BPF_FUNC_ktime_get_ns), exit()], {}, environment).run(0n)).toBe(123n);
  });

  test('a map reference is its handle, a map value reference an address', () => {
    const environment = testEnvironment();
    const map = oneValueMap(environment, undefined);
    const withMap = { ...environment, map: (handle: number) => (handle === 7 ? map : undefined) };
    const wide = (src: number, next: number): Instruction[] => [
      { opcode: 0x18, dst: 0, src, offset: 0, imm: 7 },
      { opcode: 0, dst: 0, src: 0, offset: 0, imm: next },
      { opcode: 0x95, dst: 0, src: 0, offset: 0, imm: 0 },
    ];
    expect(createInterpreter({ instructions: wide(1, 0) }, withMap).run(0n)).toBe(7n);
    expect(createInterpreter({ instructions: wide(2, 8) }, withMap).run(0n)).toBe(
      environment.memory.address(map.valueOffset! + 8),
    );
    expect(() => createInterpreter({ instructions: wide(1, 0) }, environment)).toThrow(
      new Error('instruction 0: there is no map with handle 7'),
    );
    expect(() => createInterpreter({ instructions: wide(3, 0) }, withMap)).toThrow(
      new Error('instruction 0: this kernel has no variable with BTF id 7'),
    );
    expect(() => createInterpreter({ instructions: wide(4, 0) }, withMap)).toThrow(
      new Error('instruction 0: there is no function at slot 8'),
    );
    expect(() => createInterpreter({ instructions: wide(5, 0) }, withMap)).toThrow(
      new Error('instruction 0: the program was given no map with index 7'),
    );
    const indexed = [undefined, undefined, undefined, undefined, undefined, undefined, undefined, 7] as number[];
    expect(createInterpreter({ instructions: wide(5, 0), maps: indexed }, withMap).run(0n)).toBe(7n);
    expect(createInterpreter({ instructions: wide(6, 8), maps: indexed }, withMap).run(0n)).toBe(
      environment.memory.address(map.valueOffset! + 8),
    );
    const variable = (id: number) => ({ address: BigInt(id) + 0xffff_ffff_8000_0000n, bytes: 4 });
    expect(createInterpreter({ instructions: wide(3, 0) }, { ...withMap, variable }).run(0n)).toBe(
      0xffff_ffff_8000_0007n,
    );
    const hash: BpfMap = { ...map, valueOffset: undefined, spec: { ...map.spec, type: 'hash' } };
    expect(() => createInterpreter({ instructions: wide(2, 0) }, { ...environment, map: () => hash })).toThrow(
      new Error("instruction 0: the map 'config' has no single value to point into; use an array"),
    );
  });

  test('a listed load that faults reads 0, at every size', () => {
    for (const load of [ldx('b', R0, R1, 8), ldx('h', R0, R1, 8), ldx('w', R0, R1, 8), ldx('dw', R0, R1, 8)]) {
      const program = { ...assemble([mov(R0, -1), load, exit()]), probeReads: new Set([1]) };
      expect(createInterpreter(program, testEnvironment()).run(0n)).toBe(0n);
      expect(createInterpreter(program, testEnvironment()).run(0x7fff_0000_1000n)).toBe(0n);
    }
  });

  test('can be closed, which gives its stack back', () => {
    const environment = testEnvironment();
    const first = machine([mov(R0, 0), exit()], {}, environment);
    const { used } = environment.memory;
    first.close();
    first.close();
    machine([mov(R0, 0), exit()], {}, environment);
    expect(environment.memory.used).toBe(used);
    expect(() => first.run(0n)).toThrow(new Fault(0, 'the program was closed and has no stack any more'));
  });
});

describe('a fault', () => {
  const failure = (items: readonly Item[], options: InterpreterOptions = {}): unknown => {
    try {
      return machine(items, { maxInstructions: 16_000_000, ...options }).run(0n);
    } catch (error) {
      return error;
    }
  };

  test.each<[string, Item[], number, string]>([
    [
      'a load from a null pointer',
      [ldx('dw', R0, R1, 16), exit()],
      0,
      'reads 8 bytes at r1 +16 = 0x10, where there is no memory',
    ],
    [
      'a store to a user address',
      [lddw(R2, 0x7fff_0000_0000n), stx('w', R2, -4, R1), exit()],
      2,
      'writes 4 bytes at r2 -4 = 0x7ffefffffffc, where there is no memory',
    ],
    [
      'an address that wraps round',
      [mov(R2, -1), ldx('b', R0, R2, 1), exit()],
      1,
      'reads 1 bytes at r2 +1 = 0x0, where there is no memory',
    ],
    [
      'an atomic operation without memory',
      [atomicAdd('dw', R1, 0, R2), exit()],
      0,
      'writes 8 bytes at r1 +0 = 0x0, where there is no memory',
    ],
    ['no exit', [mov(R0, 0)], 1, 'the program runs or jumps out of its instructions'],
    ['a helper that is not there', [call(4242), exit()], 0, 'calls helper 4242, which this machine does not have'],
    [
      'a helper that is not offered',
      [call(107), exit()],
      0,
      'calls bpf_sk_storage_get, which this machine does not have',
    ],
    ['recursion', [label('again'), callLocal('again'), exit()], 0, 'calls more than 8 functions deep'],
    ['a loop without end', [label('again'), ja('again')], 0, 'the run was stopped after 16000000 instructions'],
  ])('%s', (_, items, at, reason) => {
    const error = failure(items);
    expect(error).toBeInstanceOf(Fault);
    expect(error).toMatchObject({ at, reason, message: `instruction ${at}: ${reason}` });
  });

  test('maxInstructions is how many are executed', () => {
    const items = [mov(R0, 0), label('on'), add(R0, 1), jal('on')];
    const interpreter = machine(items, { maxInstructions: 100 });
    expect(() => interpreter.run(0n)).toThrow('instruction 2: the run was stopped after 100 instructions');
    expect(interpreter.executed).toBe(100);
    expect(machine([mov(R0, 3), exit()], { maxInstructions: 2 }).run(0n)).toBe(3n);
  });

  test('jumping between the slots of a wide instruction', () => {
    const { instructions } = assemble([ja('wide'), label('wide'), lddw(R0, 1), exit()]);
    const into = instructions.map((instruction, at) => (at === 0 ? { ...instruction, offset: 1 } : instruction));
    expect(() => createInterpreter({ instructions: into }, testEnvironment()).run(0n)).toThrow(
      new Fault(2, 'there is no instruction of this machine'),
    );
  });

  test('what a helper refuses', () => {
    const refusing = helper(1, () => {
      throw new HelperError('helper_1', 'r1 = 0x0 is not the handle of a map');
    });
    expect(failure([mov(R0, 0), call(1), exit()], { helper: () => refusing })).toEqual(
      new Fault(1, 'helper_1: r1 = 0x0 is not the handle of a map'),
    );
  });

  test('leaves the machine ready for the next run', () => {
    const interpreter = machine([callLocal('function'), exit(), label('function'), ldx('b', R0, R1, 0), exit()]);
    expect(() => interpreter.run(0n)).toThrow(Fault);
    expect(() => interpreter.run(1n)).toThrow(new Fault(2, 'reads 1 bytes at r1 +0 = 0x1, where there is no memory'));
  });

  test('a program that is run from its own helper', () => {
    let again: (() => bigint) | undefined;
    const recursive = helper(1, () => again?.() ?? 0n);
    const interpreter = machine([call(1), exit()], { helper: () => recursive });
    again = () => interpreter.run(0n);
    expect(() => interpreter.run(0n)).toThrow(
      new Fault(0, 'the program is running already; a machine runs one call at a time'),
    );
  });
});
