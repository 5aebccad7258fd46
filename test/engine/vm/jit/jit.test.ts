import { describe, expect, test } from 'vitest';
import {
  add,
  assemble,
  call,
  callLocal,
  exit,
  type Instruction,
  type Item,
  ja,
  jlt,
  jne,
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
  R7,
  R9,
  R10,
  st,
  stx,
} from '../../../../engine/isa/index.ts';
import {
  createInterpreter,
  createJit,
  Fault,
  type Helper,
  HelperError,
  type JitOptions,
  Memory,
} from '../../../../engine/vm/index.ts';
import { runBoth } from '../../../support/both-machines.ts';
import { testEnvironment } from '../../../support/environment.ts';

const slot = (opcode: number, fields: Partial<Instruction> = {}): Instruction => ({
  ...{ opcode, dst: 0, src: 0, offset: 0, imm: 0 },
  ...fields,
});
const helper = (id: number, run: Helper['run']): Helper => ({
  ...{ name: `helper_${id}`, id, arguments: [], returns: 'scalar', programTypes: 'all' },
  run,
});
const helpers = (...all: readonly Helper[]): JitOptions => ({ helper: (id) => all.find((each) => each.id === id) });
const machine = (items: readonly Item[], options: JitOptions = {}, environment = testEnvironment()) =>
  createJit(assemble(items), environment, options);

const TRUSTED = { checked: false } as const;

describe.each([
  ['checked', { checked: true }],
  ['trusted', TRUSTED],
  ['counting', { checked: false, maxInstructions: 1_000_000 }],
])('a %s run', (_, options) => {
  test('gives r0 without sign', () => {
    expect(machine([mov(R0, -1), exit()], options).run(0n)).toBe(0xffff_ffff_ffff_ffffn);
  });

  test('sets r1, r2 where there is a length, and begins with 0 elsewhere', () => {
    const jit = machine([mov(R0, R1), add(R0, R2), add(R0, R9), mov(R9, 1), exit()], options);
    expect(jit.run(40n, 2n)).toBe(42n);
    expect(jit.run(40n)).toBe(40n);
    expect(jit.run(1n << 63n, 1n)).toBe((1n << 63n) + 1n);
    expect(jit.run32(65_536)).toBe(65_536);
  });

  test('reads and writes the context in place', () => {
    const environment = testEnvironment();
    const context = environment.memory.allocate(8);
    environment.memory.view.setInt16(context + 2, -2, true);
    const jit = machine([ldxsx('h', R0, R1, 2), st('b', R1, 0, 7), exit()], options, environment);
    expect(jit.run(environment.memory.address(context))).toBe(2n ** 64n - 2n);
    expect(environment.memory.bytes[context]).toBe(7);
    environment.memory.bytes[context] = 0;
    expect(jit.run32(context)).toBe(-2);
    expect(environment.memory.bytes[context]).toBe(7);
  });

  test('keeps r6 to r9 across local calls and gives each function its own 512 bytes of stack', () => {
    const jit = machine(
      [
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
        st('dw', R10, -512, 1000),
        mov(R0, 7),
        exit(),
      ],
      options,
    );
    expect(jit.run(0n)).toBe(42n);
  });

  test('hands helpers their five arguments, and takes a negative result as 64 bits', () => {
    const seen: bigint[][] = [];
    const sum = helper(77, (_, registers) => {
      seen.push([...registers]);
      return -14n;
    });
    const jit = machine([mov(R1, 1), mov(R2, -2), call(77), exit()], { ...options, ...helpers(sum) });
    expect(jit.run(0n)).toBe(2n ** 64n - 14n);
    expect(seen[0]?.length).toBe(11);
    expect(seen[0]?.slice(1, 6)).toEqual([1n, 2n ** 64n - 2n, 0n, 0n, 0n]);
  });

  test('a function calls itself to the depth that the machine has', () => {
    const recursive = [
      mov(R1, 7),
      callLocal('down'),
      exit(),
      label('down'),
      mov(R0, 0),
      jne(R1, 0, 'on'),
      exit(),
      label('on'),
      mov(R6, R1),
      stx('dw', R10, -8, R1),
      add(R1, -1),
      callLocal('down'),
      ldx('dw', R2, R10, -8),
      add(R0, R2),
      exit(),
    ];
    expect(machine([mov(R1, 6), ...recursive.slice(1)], options).run(0n)).toBe(21n);
  });

  test('callbacks run on a stack of their own, with r1 to r4', () => {
    const each = helper(77, (_, registers, { call: callBack }) => {
      const code = registers[1]!;
      return callBack(code, 1n, 2n, 3n, 4n) + callBack(code, 10n, 20n, 30n, 40n);
    });
    const items = [
      st('dw', R10, -8, 1000),
      mov(R6, 5),
      ...codeOf(6),
      call(77),
      ldx('dw', R1, R10, -8),
      add(R0, R1),
      exit(),
    ];
    const callback = [stx('dw', R10, -8, R1), mov(R6, 0), mov(R0, R1), add(R0, R2), add(R0, R3), exit()];
    const jit = createJit({ instructions: [...items, ...callback].flatMap(slotsOf) }, testEnvironment(), {
      ...options,
      ...helpers(each),
    });
    expect(jit.run(0n)).toBe(1066n);
  });

  test('a tail call goes on with another program on the same stack and context', () => {
    const second = assemble([ldx('dw', R0, R1, 0), ldx('dw', R2, R10, -8), add(R0, R2), exit()]);
    const jump = helper(77, (_, __, { tailCall }) => {
      tailCall(5);
      return 0n;
    });
    const environment = testEnvironment({ program: (handle) => (handle === 5 ? second : undefined) });
    const context = environment.memory.allocate(8);
    environment.memory.view.setBigUint64(context, 40n, true);
    const jit = machine(
      [st('dw', R10, -8, 2), call(77), mov(R0, 0), exit()],
      { ...options, ...helpers(jump) },
      environment,
    );
    expect(jit.run(environment.memory.address(context))).toBe(42n);
    expect(jit.run32(context)).toBe(42);
  });

  test('a tail call takes the place of the function that made it, and there are 33', () => {
    let jumps = 0;
    const jump = helper(77, (_, __, { tailCall }) => {
      jumps++;
      tailCall(5);
      return 7n;
    });
    const again = assemble([call(77), exit()]);
    const environment = testEnvironment({ program: () => again });
    const items = [callLocal('function'), add(R0, 100), exit(), label('function'), call(77), mov(R0, 50), exit()];
    const jit = machine(items, { ...options, ...helpers(jump) }, environment);
    expect(jit.run(0n)).toBe(107n);
    expect(jumps).toBe(34);
    expect(jit.run(0n)).toBe(107n);
  });

  test('another program may run within a helper', () => {
    const environment = testEnvironment();
    const inner = machine([mov(R0, R1), add(R0, R2), exit()], options, environment);
    const nested = helper(77, (_, registers) => inner.run(registers[1]!, 5n) + 1n);
    const loop = [mov(R6, 0), label('loop'), mov(R1, R6), call(77), mov(R7, R0), add(R6, 1), jlt(R6, 10, 'loop')];
    const outer = machine([...loop, mov(R0, R7), exit()], { ...options, ...helpers(nested) }, environment);
    expect(outer.run(0n)).toBe(15n);
  });

  test('a batch runs for contexts in a row', () => {
    const environment = testEnvironment();
    const { memory } = environment;
    const contexts = memory.allocate(16 * 5);
    for (let n = 0; n < 5; n++) memory.view.setBigUint64(contexts + 16 * n, BigInt(n) << 40n, true);
    const results = memory.allocate(8 * 6);
    const jit = machine([ldx('dw', R0, R1, 0), exit()], options, environment);
    expect(jit.runBatch(contexts, 16, 5, results)).toBe(4);
    const got = Array.from({ length: 6 }, (_, n) => memory.view.getBigUint64(results + 8 * n, true) >> 40n);
    expect(got).toEqual([0n, 1n, 2n, 3n, 4n, 0n]);
    expect(jit.runBatch(contexts + 16, 0, 3)).toBe(3);
    expect(jit.runBatch(contexts, 16, 0)).toBe(0);
  });

  test('can be closed, which gives its stack back', () => {
    const environment = testEnvironment();
    const first = machine([mov(R0, 0), exit()], options, environment);
    const { used } = environment.memory;
    first.close();
    first.close();
    machine([mov(R0, 0), exit()], options, environment);
    expect(environment.memory.used).toBe(used);
    for (const run of [() => first.run(0n), () => first.run32(0), () => first.runBatch(0, 0, 1)])
      expect(run).toThrow(new Fault(0, 'the program was closed and has no stack any more'));
  });

  test('does not run within itself', () => {
    const environment = testEnvironment();
    const problems: unknown[] = [];
    const again = helper(77, () => {
      try {
        return jit.run(0n);
      } catch (error) {
        problems.push(error);
        return 3n;
      }
    });
    const jit = machine([call(77), exit()], { ...options, ...helpers(again) }, environment);
    expect(jit.run(0n)).toBe(3n);
    expect(jit.run(0n)).toBe(3n);
    expect(problems).toEqual([
      new Fault(0, 'the program is running already; a machine runs one call at a time'),
      new Fault(0, 'the program is running already; a machine runs one call at a time'),
    ]);
  });

  test('a helper that is not there, that gets what it should not, and that breaks', () => {
    const wrong = helper(1, () => {
      throw new HelperError('helper_1', 'r1 = 0x0 is not the handle of a map');
    });
    const broken = helper(2, () => {
      throw new TypeError('a mistake');
    });
    const run = (items: readonly Item[]) => () => machine(items, { ...options, ...helpers(wrong, broken) }).run(0n);
    expect(run([mov(R0, 0), call(9), exit()])).toThrow(
      new Fault(1, 'calls bpf_skb_store_bytes, which this machine does not have'),
    );
    expect(run([mov(R0, 0), call(1), exit()])).toThrow(new Fault(1, 'helper_1: r1 = 0x0 is not the handle of a map'));
    expect(run([call(2), exit()])).toThrow(new TypeError('a mistake'));
    const kfunc = { instructions: [slot(0x85, { src: 2, imm: 1234 }), slot(0x95)] };
    expect(() => createJit(kfunc, testEnvironment({ kfunc: () => undefined }), options).run(0n)).toThrow(
      new Fault(0, 'calls kernel function 1234, which this machine does not have'),
    );
    const byRegister = { instructions: [slot(0xb7, { dst: 3, imm: 9 }), slot(0x8d, { dst: 3 }), slot(0x95)] };
    expect(() => createJit(byRegister, testEnvironment(), { ...options, ...helpers() }).run(0n)).toThrow(
      new Fault(1, 'calls bpf_skb_store_bytes, which this machine does not have'),
    );
  });

  test('runs again after a fault', () => {
    const environment = testEnvironment();
    const context = environment.memory.allocate(8);
    let fails = true;
    const sometimes = helper(77, () => {
      if (fails) throw new HelperError('helper_77', 'not now');
      return 1n;
    });
    const jit = machine([call(77), exit()], { ...options, ...helpers(sometimes) }, environment);
    const fault = new Fault(0, 'helper_77: not now');
    expect(() => jit.run(0n)).toThrow(fault);
    expect(() => jit.run32(context)).toThrow(fault);
    expect(() => jit.runBatch(context, 0, 2)).toThrow(fault);
    fails = false;
    expect([jit.run(0n), jit.run32(context), jit.runBatch(context, 0, 2)]).toEqual([1n, 1, 2]);
  });

  test('a listed load that faults reads 0, at every size, up to the last byte that is allocated', () => {
    for (const [load, bytes] of [
      [ldx('b', R0, R1, 8), 1],
      [ldx('h', R0, R1, 8), 2],
      [ldx('w', R0, R1, 8), 4],
      [ldx('dw', R0, R1, 8), 8],
      [ldxsx('w', R0, R1, 8), 4],
    ] as const) {
      const program = { ...assemble([mov(R0, -1), load, exit()]), probeReads: new Set([1]) };
      const environment = testEnvironment();
      const { memory } = environment;
      const jit = createJit(program, environment, options);
      const last = memory.allocate(8);
      memory.bytes.fill(1, last, last + 8);
      const ones = BigInt(`0x${'01'.repeat(bytes)}`);
      for (const wild of [
        0n,
        8n,
        0x7fff_0000_1000n,
        2n ** 64n - 9n,
        2n ** 64n - 8n,
        memory.address(0),
        memory.address(memory.used),
      ])
        expect(jit.run(wild)).toBe(0n);
      expect(jit.run(memory.address(last - 8))).toBe(ones);
      expect(jit.run(memory.address(last - bytes))).toBe(ones);
      expect(jit.run(memory.address(last - bytes + 1))).toBe(0n);
    }
  });
});

/** A wide instruction of kind BPF_PSEUDO_FUNC for r1, `slots` behind it. */
function codeOf(slots: number): Item[] {
  return [{ kind: 'instruction', slots: [slot(0x18, { dst: 1, src: 4, imm: slots - 1 }), slot(0)] }];
}
const slotsOf = (item: Item): readonly Instruction[] => (item.kind === 'instruction' ? item.slots : []);

describe('a checked run', () => {
  test.each<[string, Item[]]>([
    ['a load from a null pointer', [mov(R1, 0), ldx('dw', R0, R1, 16), exit()]],
    ['a store to a user address', [lddw(R2, 0x7fff_0000_0000n), stx('w', R2, -4, R1), exit()]],
    ['an address that wraps round', [mov(R2, -1), ldx('b', R0, R2, 1), exit()]],
    ['the guard below the first allocation', [lddw(R2, 0xffff_8880_0000_fff9n), ldx('dw', R0, R2, 0), exit()]],
    ['what is not allocated yet', [lddw(R2, 0xffff_8880_000f_fff0n), st('dw', R2, 0, 1), exit()]],
    ['the last bytes of 32 bits', [lddw(R2, 0xffff_8880_ffff_fffcn), st('dw', R2, 0, 1), exit()]],
    [
      'above the stack',
      [mov(R2, R10), st('dw', R2, 32_000, 1), ldx('w', R2, R10, 32_767), ja('on'), label('on'), exit()],
    ],
  ])('faults as the interpreter does: %s', (_, items) => {
    const { interpreter, jit } = runBoth(assemble(items), new Uint8Array(0), { checked: true });
    expect(interpreter.ending).toHaveProperty('reason');
    expect(jit.ending).toEqual(interpreter.ending);
  });

  test('is what a program gets that does not come from the verifier', () => {
    const program = assemble([ldx('b', R0, R1, 0), exit()]);
    const fault = new Fault(0, 'reads 1 bytes at r1 +0 = 0x0, where there is no memory');
    expect(() => createJit(program, testEnvironment()).run(0n)).toThrow(fault);
    expect(createJit({ ...program, probeReads: new Set() }, testEnvironment()).run(0n)).toBe(0n);
  });

  test('ends where functions call each other without end', () => {
    const { interpreter, jit } = runBoth(assemble([label('start'), callLocal('start'), exit()]));
    expect(jit.ending).toEqual({ at: 0, reason: 'calls more than 8 functions deep' });
    expect(interpreter.ending).toEqual(jit.ending);
  });

  test('ends with its budget, at the same instruction as the interpreter', () => {
    const items = [mov(R0, 0), lddw(R3, 5n), label('loop'), add(R0, 1), add(R0, R3), ja('loop'), exit()];
    for (let maxInstructions = 1; maxInstructions < 12; maxInstructions++) {
      const { interpreter, jit } = runBoth(assemble(items), new Uint8Array(0), { maxInstructions });
      expect(interpreter.ending).toHaveProperty('reason', `the run was stopped after ${maxInstructions} instructions`);
      expect(jit.ending).toEqual(interpreter.ending);
    }
  });
});

test('a trusted run can leave the memory only by a fault that names the instruction', () => {
  const environment = testEnvironment({ memory: new Memory(131_072) });
  const context = environment.memory.address(0) + 0xffff_0000n;
  const run = (items: readonly Item[]) => () => machine(items, TRUSTED, environment).run(context);
  expect(run([mov(R0, 0), ldx('dw', R0, R1, 8), exit()])).toThrow(
    new Fault(1, "reads 8 bytes at r1 +8, beyond the machine's memory"),
  );
  expect(run([mov(R0, 0), mov(R2, R1), st('w', R2, -4, 1), exit()])).toThrow(
    new Fault(2, "writes 4 bytes at r2 -4, beyond the machine's memory"),
  );
});

describe('instructions of Linux', () => {
  const both = (instructions: readonly Instruction[], context: Uint8Array, environment = testEnvironment) => {
    const { interpreter, jit } = runBoth({ instructions }, context, { environment });
    expect(jit).toEqual(interpreter);
    const trusted = runBoth({ instructions }, context, { environment, checked: false });
    expect(trusted.jit).toEqual(interpreter);
    return jit;
  };

  test('may_goto leaves a loop after 8,388,608 rounds', () => {
    const instructions = [
      slot(0xb7),
      slot(0xe5, { offset: 2 }),
      slot(0x07, { imm: 1 }),
      slot(0x05, { offset: -3 }),
      slot(0x95),
    ];
    expect(createJit({ instructions }, testEnvironment(), TRUSTED).run(0n)).toBe(8_388_608n);
  });

  test('load_acquire and store_release of every size', () => {
    for (const [opcode, bytes] of [
      [0xd3, 1],
      [0xcb, 2],
      [0xc3, 4],
      [0xdb, 8],
    ] as const) {
      const instructions = [
        slot(opcode, { dst: 0, src: 1, offset: 8, imm: 0x100 }),
        slot(opcode, { dst: 1, src: 0, offset: 24, imm: 0x110 }),
        slot(0x95),
      ];
      const { ending, context } = both(
        instructions,
        Uint8Array.from({ length: 40 }, (_, n) => 0xf0 + (n % 16)),
      );
      const value = [0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff].slice(0, bytes);
      expect(ending).toBe(
        BigInt(
          `0x${value
            .toReversed()
            .map((byte) => byte.toString(16))
            .join('')}`,
        ),
      );
      expect([...context.subarray(24, 24 + bytes)]).toEqual(value);
    }
  });

  test('packet loads are big endian, and beyond the end the program ends with 0', () => {
    const packet = () => {
      const environment = testEnvironment();
      const offset = environment.memory.allocate(8);
      environment.memory.bytes.set([1, 2, 3, 4, 5, 6, 7, 8], offset);
      return { ...environment, packet: () => ({ offset, length: 8 }) };
    };
    const load = (opcode: number, imm: number, src = 0) => [
      slot(0xb7, { dst: 3, imm: 2 }),
      slot(opcode, { src, imm }),
      slot(0x07, { imm: 1 }),
      slot(0x95),
    ];
    expect(both(load(0x30, 1), new Uint8Array(8), packet).ending).toBe(3n);
    expect(both(load(0x28, 1), new Uint8Array(8), packet).ending).toBe(0x0204n);
    expect(both(load(0x20, 4), new Uint8Array(8), packet).ending).toBe(0x0506_0709n);
    expect(both(load(0x40, 4, 3), new Uint8Array(8), packet).ending).toBe(0n);
    expect(both(load(0x40, 2, 3), new Uint8Array(8), packet).ending).toBe(0x0506_0709n);
    expect(both(load(0x30, -1), new Uint8Array(8), packet).ending).toBe(0n);
  });

  test('a listed 32-bit load gives a whole pointer, or null', () => {
    const instructions = [slot(0x61, { src: 1, offset: 4 }), slot(0x95)];
    const environment = testEnvironment();
    const context = environment.memory.allocate(8);
    const program = { instructions, pointerLoads: new Set([0]) };
    for (const options of [TRUSTED, { checked: true }]) {
      environment.memory.view.setUint32(context + 4, 0, true);
      const jit = createJit(program, environment, options);
      const interpreter = createInterpreter(program, environment);
      expect(jit.run(environment.memory.address(context))).toBe(0n);
      environment.memory.view.setUint32(context + 4, 0x12_3456, true);
      expect(jit.run(environment.memory.address(context))).toBe(environment.memory.address(0x12_3456));
      expect(interpreter.run(environment.memory.address(context))).toBe(environment.memory.address(0x12_3456));
    }
  });
});
