import { expect, test } from 'vitest';
import { parseAssembly } from '../../../engine/isa/index.ts';
import { createBtfBuilder, type FunctionInfo, HOOKS, parseBtf } from '../../../engine/object/index.ts';
import { type Verified, VerifierError, verify } from '../../../engine/verifier/index.ts';
import { helperById } from '../../../engine/vm/index.ts';
import { BTF } from './programs.ts';

/** An object's BTF with the functions that the programs below have. */
const types = (() => {
  const build = createBtfBuilder();
  const int = build.int('int', 4, true);
  const pair = build.struct('pair', 16, [
    { name: 'first', type: build.int('long', 8, true), offset: 0 },
    { name: 'second', type: build.int('long', 8, true), offset: 8 },
  ]);
  const main = build.func('main', build.funcProto(int, [{ name: 'ctx', type: build.pointer(0) }]), 'global');
  const number = build.func('twice', build.funcProto(int, [{ name: 'n', type: int }]), 'global');
  const memory = build.func('sum', build.funcProto(int, [{ name: 'pair', type: build.pointer(pair) }]), 'global');
  const nothing = build.func('drop', build.funcProto(0, [{ name: 'n', type: int }]), 'global');
  return { btf: parseBtf(build.bytes()), main, number, memory, nothing };
})();

function verifyWith(text: string, name: string, type: number, linkage: FunctionInfo['linkage'] = 'global'): Verified {
  const { instructions, labels } = parseAssembly(text);
  const functions: FunctionInfo[] = [
    { at: 0, name: 'main', type: types.main, linkage: 'global' },
    { at: labels.get(name)!, name, type, linkage },
  ];
  return verify(instructions, {
    name: 'test',
    hook: HOOKS['tp_btf/sys_exit'],
    btf: BTF,
    map: () => undefined,
    helper: helperById,
    functions,
    objectBtf: types.btf,
  });
}

const messageOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof VerifierError) return error.message;
    throw error;
  }
  return 'accepted';
};

const TWICE = `
  r1 = 3
  call twice
  r0 = 0
  exit
twice:
  r0 = r1
  r0 += r1
  exit`;

test('a global function is explored once, whatever the number of its calls', () => {
  const calls = (count: number): string => `
    ${'r1 = 3\n call twice\n'.repeat(count)}
    r0 = 0
    exit
  twice:
    r0 = r1
    r0 += r1
    exit`;
  expect(verifyWith(calls(1), 'twice', types.number).explored).toBe(2 + 2 + 3);
  expect(verifyWith(calls(20), 'twice', types.number).explored).toBe(40 + 2 + 3);
  expect(verifyWith(calls(20), 'twice', types.number, 'static').explored).toBe(40 + 2 + 20 * 3);
});

test('nothing is known of the result of a global function, as of no static one', () => {
  const text = TWICE.replace('  r0 = 0\n', '  r0 -= 6\n');
  expect(messageOf(() => verifyWith(text, 'twice', types.number, 'static'))).toBe('accepted');
  expect(messageOf(() => verifyWith(text, 'twice', types.number))).toMatch(
    /^test: slot 3: exit: r0 is .* at exit; the program must return 0$/,
  );
});

test('a number where the prototype says so, not a pointer', () => {
  const text = TWICE.replace('r1 = 3', 'r1 = r10');
  expect(messageOf(() => verifyWith(text, 'twice', types.number))).toBe(
    'test: slot 1: call pc+2: twice: r1 is a pointer, but the argument n is a number',
  );
});

const SUM = `
  *(u64 *)(r10 -16) = 1
  *(u64 *)(r10 -8) = 2
  r1 = r10
  r1 += -16
  call sum
  r0 = 0
  exit
sum:
  if r1 == 0 goto none
  r0 = *(u64 *)(r1 +0)
  r2 = *(u64 *)(r1 +8)
  r0 += r2
  exit
none:
  r0 = 0
  exit`;

test('memory of the size that the prototype says, which may be null', () => {
  expect(messageOf(() => verifyWith(SUM, 'sum', types.memory))).toBe('accepted');
  expect(messageOf(() => verifyWith(SUM.replace('r1 += -16', 'r1 = 0'), 'sum', types.memory))).toBe('accepted');
  expect(messageOf(() => verifyWith(SUM.replace('r1 += -16', 'r1 += -8'), 'sum', types.memory))).toBe(
    'test: slot 4: call pc+2: sum: reads 16 bytes at r10-8; the stack is r10-512 to r10-1',
  );
  expect(messageOf(() => verifyWith(SUM.replace('if r1 == 0', 'if r1 == 1'), 'sum', types.memory))).toBe(
    'test: slot 8: r0 = *(u64 *)(r1 +0): r1 may be null; compare it with 0 first',
  );
  expect(messageOf(() => verifyWith(SUM.replace('(r1 +8)', '(r1 +16)'), 'sum', types.memory))).toBe(
    'test: slot 9: r2 = *(u64 *)(r1 +16): reads 8 bytes at offset 16 of the argument pair of sum, which has 16 bytes',
  );
});

test('what a global function may have written is not known any more', () => {
  const text = SUM.replace('  call sum\n  r0 = 0\n', '  call sum\n  r0 = *(u64 *)(r10 -16)\n  r0 -= 1\n');
  expect(messageOf(() => verifyWith(text, 'sum', types.memory))).toMatch(/^test: slot 7: exit: r0 is .* at exit/);
});

test('a global function returns a number', () => {
  expect(messageOf(() => verifyWith(TWICE.replaceAll('twice', 'drop'), 'drop', types.nothing))).toBe(
    'test: slot 4: r0 = r1: the global function drop must return a number; make it static otherwise',
  );
});
