import { describe, expect, test } from 'vitest';
import { parseAssembly } from '../../../engine/isa/index.ts';
import { type BpfMap, createMap, E2BIG, EINVAL, ENOENT } from '../../../engine/maps/index.ts';
import type { MapSpec } from '../../../engine/object/index.ts';
import {
  codeAddress,
  createInterpreter,
  type ExecutableProgram,
  Fault,
  HELPERS,
  type InterpreterOptions,
  KFUNCS,
  kfuncById,
  kfuncByName,
  Memory,
  type VmEnvironment,
} from '../../../engine/vm/index.ts';
import { testEnvironment } from '../../support/environment.ts';

const helpers = new Map(HELPERS.map(({ name, id }) => [name, id]));
const program = (text: string, maps: ReadonlyMap<string, number> = new Map()): ExecutableProgram =>
  parseAssembly(text, { helpers, maps });

const checked: InterpreterOptions = { checked: true };
const run = (text: string, overrides: Partial<VmEnvironment> = {}, maps: readonly BpfMap[] = []): bigint => {
  const names = new Map(maps.map((map) => [map.spec.name, map.handle]));
  const interpreter = createInterpreter(program(text, names), testEnvironment(overrides, maps), checked);
  return BigInt.asIntN(64, interpreter.run(0n));
};

describe('callbacks', () => {
  const loop = (rounds: string, flags = 0): string => `
      r6 = 6
      *(u64 *)(r10 -8) = 0
      r1 = ${rounds}
      r2 = subprog[add]
      r3 = r10
      r3 += -8
      r4 = ${flags}
      call bpf_loop
      r1 = *(u64 *)(r10 -8)
      r1 *= 1000
      r0 += r1
      if r6 != 6 goto +1
      exit
      r0 = -1
      exit
    add:
      r6 = 1
      *(u64 *)(r10 -8) = r6
      r0 = *(u64 *)(r2 +0)
      r0 += r1
      *(u64 *)(r2 +0) = r0
      r3 = r0
      r0 = 0
      if r3 < 100 goto +1
      r0 = 1
      exit`;

  test('bpf_loop calls with the round and the context, and says how often', () => {
    expect(run(loop('5'))).toBe(5n + 1000n * (0n + 1n + 2n + 3n + 4n));
    expect(run(loop('0'))).toBe(0n);
    expect(run(loop('1000'))).toBe(15n + 1000n * 105n);
    expect(run(loop('8388608'))).toBe(15n + 1000n * 105n);
    expect(run(loop('8388609'))).toBe(BigInt(-E2BIG));
    expect(run(loop('1', 1))).toBe(BigInt(-EINVAL));
  });

  test('bpf_for_each_map_elem visits keys and values, and stops when the callback says so', () => {
    const memory = new Memory(1 << 20);
    const spec: MapSpec = { name: 'counts', type: 'array', keySize: 4, valueSize: 8, maxEntries: 5 };
    const map = createMap(memory, spec, 3);
    for (let n = 0; n < 5; n++) map.update(new Uint8Array([n, 0, 0, 0]), new Uint8Array([10 * n, 0, 0, 0, 0, 0, 0, 0]));
    const text = (most: number) => `
        *(u64 *)(r10 -8) = 0
        r1 = map[counts]
        r2 = subprog[visit]
        r3 = r10
        r3 += -8
        r4 = 0
        call bpf_for_each_map_elem
        r1 = *(u64 *)(r10 -8)
        r1 *= 1000
        r0 += r1
        exit
      visit:
        r5 = *(u64 *)(r4 +0)
        r0 = *(u64 *)(r3 +0)
        r5 += r0
        *(u64 *)(r4 +0) = r5
        r1 = *(u32 *)(r2 +0)
        r0 = 0
        if r1 < ${most} goto +1
        r0 = 1
        exit`;
    expect(run(text(9), { memory }, [map])).toBe(5n + 1000n * 100n);
    expect(run(text(2), { memory }, [map])).toBe(3n + 1000n * 30n);
  });

  test('bpf_find_vma calls once, where there is a mapping', () => {
    const text = `
        r1 = 1
        r2 = 0x400000
        r3 = subprog[found]
        r4 = r10
        r5 = 0
        call bpf_find_vma
        exit
      found:
        *(u64 *)(r3 -8) = r2
        r0 = 0
        exit`;
    const asked: bigint[][] = [];
    const findVma = (task: bigint, address: bigint) => {
      asked.push([task, address]);
      return address < 0x500000n ? 0xffff_8880_0000_1234n : undefined;
    };
    expect(run(text, { findVma })).toBe(0n);
    expect(asked).toEqual([[1n, 0x400000n]]);
    expect(run(text.replace('0x400000', '0x600000'), { findVma })).toBe(BigInt(-ENOENT));
  });

  test('a callback that is no function of the program is a fault', () => {
    expect(() =>
      createInterpreter(program('r1 = 1\nr2 = 7\nr3 = 0\nr4 = 0\ncall bpf_loop\nexit'), testEnvironment()).run(0n),
    ).toThrow(new Fault(4, 'callback: 0x7 is no function of the program'));
    expect(() => run('r1 = 1\nr2 = 7\nr3 = 0\nr4 = 0\ncall bpf_loop\nexit')).toThrow(
      new Fault(4, 'bpf_loop gets r2 = 0x7, which is no function of the program'),
    );
    expect(codeAddress(2)).toBe(0xffff_ffff_c000_0010n);
  });

  test('callbacks that nest too deep are a fault', () => {
    const text = `
      again:
        r1 = 1
        r2 = subprog[again]
        r3 = 0
        r4 = 0
        call bpf_loop
        exit`;
    expect(() => run(text)).toThrow(new Fault(0, 'calls more than 8 functions deep'));
  });
});

describe('tail calls', () => {
  const SPEC: MapSpec = { name: 'programs', type: 'prog_array', keySize: 4, valueSize: 4, maxEntries: 3 };
  const NEXT = (index: number) => `
        r1 = r6
        r2 = map[programs]
        r3 = ${index}
        call bpf_tail_call`;

  /** Runs the first of these programs with all of them in the prog array, their context being 8 bytes. */
  function runFirst(texts: readonly string[], options: InterpreterOptions = checked) {
    const memory = new Memory(1 << 20);
    const host = { map: () => undefined, isProgram: () => true, owner: () => undefined };
    const map = createMap(memory, SPEC, 9, host);
    for (let n = 0; n < texts.length; n++) map.update(new Uint8Array([n, 0, 0, 0]), new Uint8Array([n + 1, 0, 0, 0]));
    const programs = texts.map((text) => program(text, new Map([['programs', 9]])));
    const environment = testEnvironment({ memory, program: (handle) => programs[handle - 1] }, [map]);
    const context = memory.allocate(8);
    const interpreter = createInterpreter(programs[0]!, environment, options);
    const result = interpreter.run(memory.address(context), 8n);
    return { result, context: memory.view.getBigUint64(context, true), executed: interpreter.executed };
  }

  test('go on with another program in the same context, and never come back', () => {
    const { result, executed } = runFirst([
      `r6 = r1\n*(u64 *)(r1 +0) = 40${NEXT(1)}\nr0 = 7\nexit`,
      'r0 = *(u64 *)(r1 +0)\nr0 += 2\nexit',
    ]);
    expect(result).toBe(42n);
    expect(executed).toBe(9);
  });

  test('fall through where the slot is empty or beyond the end', () => {
    expect(runFirst([`r6 = r1${NEXT(2)}\nr0 = 7\nexit`]).result).toBe(7n);
    expect(runFirst([`r6 = r1${NEXT(3)}\nr0 = 8\nexit`]).result).toBe(8n);
  });

  test('fall through after 33 of them', () => {
    const { result, context } = runFirst([
      `r6 = r1\nr0 = *(u64 *)(r1 +0)\nr0 += 1\n*(u64 *)(r1 +0) = r0${NEXT(0)}\nr0 = 7\nexit`,
    ]);
    expect({ result, context }).toEqual({ result: 7n, context: 34n });
  });

  test('of a function take its place only: its caller goes on with the result', () => {
    const { result } = runFirst([
      `r6 = r1\nr7 = 5\n*(u64 *)(r10 -8) = 100\ncall f\nr0 += r7\nr1 = *(u64 *)(r10 -8)\nr0 += r1\nexit
      f: r6 = r1${NEXT(1)}\nr0 = 0\nexit`,
      'r7 = 1\n*(u64 *)(r10 -8) = 1000\nr0 = 20\nexit',
    ]);
    expect(result).toBe(125n);
  });

  test('use their own constants and maps, and what they break is theirs', () => {
    const first = `r6 = r1\nr8 = 0x1122334455667788 ll${NEXT(1)}\nr0 = 0\nexit`;
    expect(runFirst([first, 'r0 = 0x99aabbccddeeff00 ll\nexit']).result).toBe(0x99aabbccddeeff00n);
    expect(() => runFirst([first, 'r0 = 0\nr0 = *(u64 *)(r1 +8)\nexit'])).toThrow(
      /^instruction 1: reads 8 bytes at r1 \+8 = 0x\w+, which is not allocated to this program; nearest is the context \(8 bytes\)/,
    );
    expect(() => runFirst([`r6 = r1${NEXT(0)}\nexit`], { maxInstructions: 22 })).toThrow(
      'instruction 2: the run was stopped after 22 instructions',
    );
  });
});

describe('what Linux adds to the instruction set', () => {
  test('may_goto falls through 8,388,608 times in each call of a function, then it jumps', () => {
    const loop = (inner: string) => `
        r0 = 0
      next:
        may_goto done
        r0 += 1
        ${inner}
        goto next
      done:
        exit`;
    expect(run(loop('if r0 > 2 goto done'))).toBe(3n);
    expect(run(loop(''))).toBe(8_388_608n);
    expect(run(`call f\nr6 = r0\ncall f\nr0 += r6\nexit\nf:${loop('')}`)).toBe(2n * 8_388_608n);
  });

  test('load_acquire and store_release move 8 to 64 bits', () => {
    const text = (bits: number, register: string) => `
        r1 = 0x8877665544332211 ll
        r2 = -1
        *(u64 *)(r10 -8) = r2
        store_release((u${bits} *)(r10 -8), ${register}1)
        ${register}3 = load_acquire((u${bits} *)(r10 -8))
        r0 = *(u64 *)(r10 -8)
        r0 ^= r3
        exit`;
    const whole = 0x8877665544332211n;
    for (const bits of [8, 16, 32, 64]) {
      const [kept, moved] = [(2n ** 64n - 1n) & ~(2n ** BigInt(bits) - 1n), BigInt.asUintN(bits, whole)];
      expect(run(text(bits, bits === 64 ? 'r' : 'w'))).toBe(BigInt.asIntN(64, (kept | moved) ^ moved));
    }
  });

  test('packet loads take bytes in network order; beyond the packet the program ends with 0', () => {
    const memory = new Memory(1 << 20);
    const at = memory.allocate(16);
    memory.bytes.set([0x81, 0x02, 0x03, 0x04, 0x05, 0x06], at);
    const packet = () => ({ offset: at, length: 6 });
    const load = (text: string) => run(`r6 = r1\nr7 = 1\n${text}\nexit`, { memory, packet });
    expect(load('r0 = *(u8 *)skb[0]')).toBe(0x81n);
    expect(load('r0 = *(u16 *)skb[4]')).toBe(0x0506n);
    expect(load('r0 = *(u32 *)skb[0]')).toBe(0x81020304n);
    expect(load('r0 = *(u16 *)skb[r7 + 1]')).toBe(0x0304n);
    expect(load('r0 = 5\nr0 = *(u32 *)skb[3]\nr0 = 9')).toBe(0n);
    expect(load('r0 = 5\nr0 = *(u8 *)skb[-1]\nr0 = 9')).toBe(0n);
    expect(run('r0 = 5\nr0 = *(u8 *)skb[0]\nr0 = 9\nexit')).toBe(0n);
    expect(load('call f\nr0 += 1\nexit\nf: r0 = *(u32 *)skb[8]\nr0 = 9')).toBe(1n);
  });

  test('a listed 32-bit load of the context gives a whole pointer', () => {
    const memory = new Memory(1 << 20);
    const [context, data] = [memory.allocate(8), memory.allocate(8)];
    memory.view.setUint32(context, data, true);
    memory.bytes[data] = 77;
    const { instructions } = program('r1 = *(u32 *)(r1 +0)\nr0 = *(u8 *)(r1 +0)\nexit');
    const loads = { instructions, pointerLoads: new Set([0]) };
    expect(createInterpreter(loads, testEnvironment({ memory })).run(memory.address(context))).toBe(77n);
    expect(() => createInterpreter({ instructions }, testEnvironment({ memory })).run(memory.address(context))).toThrow(
      Fault,
    );
  });
});

describe('kernel functions', () => {
  test('are one table by name and number', () => {
    for (const kfunc of KFUNCS) {
      expect(kfuncByName(kfunc.name)).toBe(kfunc);
      expect(kfuncById(kfunc.id)).toBe(kfunc);
    }
    expect(new Set(KFUNCS.map(({ id }) => id)).size).toBe(KFUNCS.length);
    expect(kfuncByName('bpf_nothing')).toBeUndefined();
  });

  const iterate = (name: string, bytes: number, setUp: string, end = 'call kernel-function#DESTROY') => {
    const ids = ['new', 'next', 'destroy'].map((step) => kfuncByName(`bpf_iter_${name}_${step}`)!.id) as number[];
    return `
        ${setUp}
        r1 = r10
        r1 += -${bytes}
        call kernel-function#${ids[0]}
        r6 = 0
      next:
        r1 = r10
        r1 += -${bytes}
        call kernel-function#${ids[1]}
        if r0 == 0 goto done
        r1 = *(u32 *)(r0 +0)
        r6 *= 10
        r6 += r1
        goto next
      done:
        r1 = r10
        r1 += -${bytes}
        ${end.replace('DESTROY', `${ids[2]}`)}
        r0 = r6
        exit`;
  };

  test('bpf_iter_num and bpf_iter_bits give numbers one after the other', () => {
    expect(run(iterate('num', 8, 'r2 = 2\nr3 = 6'))).toBe(2345n);
    expect(run(iterate('num', 8, 'r2 = 6\nr3 = 2'))).toBe(0n);
    expect(run(iterate('bits', 16, '*(u64 *)(r10 -24) = 154\nr2 = r10\nr2 += -24\nr3 = 1'))).toBe(1347n);
  });

  test('an iterator that is not ended is a leak', () => {
    expect(() => run(iterate('num', 8, 'r2 = 0\nr3 = 2', ''))).toThrow(
      new Fault(17, 'the program leaks the bpf_iter_num made at instruction 4'),
    );
  });

  test('strings of the kernel are compared and searched, and what they answer with is 32 bits', () => {
    const memory = new Memory(1 << 20);
    const put = (text: string): bigint => {
      const bytes = new TextEncoder().encode(`${text}\0`);
      const offset = memory.allocate(bytes.length);
      memory.bytes.set(bytes, offset);
      return memory.address(offset);
    };
    const call = (name: string, ...args: (bigint | string | number)[]): number => {
      const registers = new BigUint64Array(11);
      for (const [i, value] of args.entries())
        registers[i + 1] = typeof value === 'string' ? put(value) : BigInt.asUintN(64, BigInt(value));
      const machine = { call: () => 0n, tailCall: () => {}, context: 0n };
      const result = kfuncByName(name)!.run(testEnvironment({ memory }), registers, machine);
      expect(result).toBeLessThan(2n ** 32n);
      return Number(BigInt.asIntN(32, result));
    };
    expect(call('bpf_strcmp', 'abc', 'abc')).toBe(0);
    expect(call('bpf_strcmp', 'ab', 'abc')).toBe(-1);
    expect(call('bpf_strcmp', 'b', 'abc')).toBe(1);
    expect(call('bpf_strlen', 'shrike')).toBe(6);
    expect(call('bpf_strnlen', 'shrike', 4)).toBe(4);
    expect(call('bpf_strchr', 'shrike', 'r'.charCodeAt(0))).toBe(2);
    expect(call('bpf_strrchr', 'abcabc', 'b'.charCodeAt(0))).toBe(4);
    expect(call('bpf_strchrnul', 'abc', 'x'.charCodeAt(0))).toBe(3);
    expect(call('bpf_strchr', 'abc', 'x'.charCodeAt(0))).toBe(-ENOENT);
    expect(call('bpf_strstr', '/etc/shadow', 'shadow')).toBe(5);
    expect(call('bpf_strnstr', '/etc/shadow', 'shadow', 8)).toBe(-ENOENT);
    expect(call('bpf_strspn', '  x', ' ')).toBe(2);
    expect(call('bpf_strcspn', 'key=value', '=')).toBe(3);
    expect(call('bpf_strcmp', 0x1000, 'a')).toBe(-34);
    expect(call('bpf_strcmp', 0xffff_ffff_8000_0000n, 'a')).toBe(-14);
  });
});
