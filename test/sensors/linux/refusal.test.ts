import { describe, expect, it, onTestFinished } from 'vitest';
import {
  add,
  assemble,
  BPF_PSEUDO_FUNC,
  callLocal,
  comment,
  exit,
  type Instruction,
  type Item,
  jlt,
  LDDW,
  label,
  ldx,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R10,
} from '../../../engine/isa/index.ts';
import type { ProgramSpec } from '../../../engine/object/index.ts';
import { loadPolicyText } from '../../../policies/index.ts';
import { compile } from '../../../rules/index.ts';
import { type LinuxKernel, openLinuxKernel, ProgramRefused } from '../../../sensors/linux/index.ts';
import { programInfo } from '../../../sensors/linux/line-info.ts';
import { kernelSkip } from '../../support/kernel.ts';
import { helper, programOf } from '../../support/live-programs.ts';

const skip = kernelSkip();
const HOOK = 'tp_btf/sys_exit';

/** What is loaded here is attached nowhere. */
function opened(): LinuxKernel {
  const kernel = openLinuxKernel({ scope: '/none' });
  onTestFinished(() => kernel.close());
  return kernel;
}

function refused(items: readonly Item[], hook = HOOK): ProgramRefused {
  try {
    opened().loadProgram(programOf('calls', hook, items), new Map());
  } catch (error) {
    if (error instanceof ProgramRefused) return error;
    throw error;
  }
  throw new Error('the program loaded');
}

describe.skipIf(skip)(`a program that the running kernel refuses${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('is named with its hook, the slot, the rule it comes from, the kernel’s last words and what to do', () => {
    const error = refused([
      comment('rule Read shadow'),
      mov(R1, 0),
      comment('rule Write passwd'),
      mov(R2, 0),
      ldx('dw', R0, R1, 8),
      comment('act'),
      exit(),
    ]);
    expect(error.message).toBe(
      'program "calls" (tp_btf/sys_exit): the kernel refuses it at slot 2, r0 = *(u64 *)(r1 +8): R1 invalid mem access \'scalar\' (from: rule Write passwd); report it with the verifier log',
    );
    expect(error.at).toBe(2);
    expect(error.line).toEqual({ at: 1, text: 'rule Write passwd' });
    expect(error.errno).toBe('EACCES');
  });

  it('has the verifier’s log, in which its lines are named', () => {
    const { log } = refused([comment('rule Read shadow'), mov(R1, 0), ldx('dw', R0, R1, 8), exit()]);
    expect(log).toMatch(/^; rule Read shadow/m);
    expect(log).toMatch(/^1: \(79\) r0 = \*\(u64 \*\)\(r1 \+8\)/m);
  });

  it('is named by the slot that the kernel names where it explored nothing', () => {
    const error = refused([comment('rule A'), mov(R0, 0), exit(), comment('rule B'), mov(R0, 1), exit()]);
    expect(error.message).toBe(
      'program "calls" (tp_btf/sys_exit): the kernel refuses it at slot 2, r0 = 1: unreachable insn 2 (from: rule B); report it with the verifier log',
    );
  });

  it('is too large where the verifier gives up', () => {
    const error = refused([
      comment('rule Long list'),
      ldx('dw', R1, R1, 8),
      mov(R2, 0),
      label('again'),
      ...Array.from({ length: 200 }, () => mov(R0, 0)),
      add(R2, 1),
      jlt(R2, R1, 'again'),
      mov(R0, 0),
      exit(),
    ]);
    expect(error.errno).toBe('E2BIG');
    expect(error.message).toBe(
      'program "calls" (tp_btf/sys_exit): the kernel refuses it: BPF program is too large. Processed 1000001 insn; it is too large for this kernel: load fewer rules, or leave out the one with the longest list',
    );
  });

  it('is to be reported where it is in no rule’s part', () => {
    expect(refused([comment('the parent'), mov(R1, 0), ldx('dw', R0, R1, 8), exit()]).message).toBe(
      'program "calls" (tp_btf/sys_exit): the kernel refuses it at slot 1, r0 = *(u64 *)(r1 +8): R1 invalid mem access \'scalar\' (from: the parent); report it with the verifier log',
    );
  });

  it('is mapped to the condition of a compiled policy', () => {
    const { policies } = loadPolicyText(
      'secrets.yaml',
      `apiVersion: shrike/v1
kind: Policy
metadata: {name: secrets}
spec:
  rules:
    - {rule: Read secret, condition: evt.type = openat and fd.name = /srv/secret, priority: error, output: a}
    - {rule: Become root, condition: evt.type = setuid and evt.arg.uid = 0, priority: error, output: b}
`,
    );
    const kernel = opened();
    const { object } = compile(
      policies.flatMap(({ rules }) => rules),
      { level: kernel.features.level },
    );
    const maps = new Map(object.maps.map((spec) => [spec.name, kernel.createMap(spec)]));
    const program = object.programs.find(({ hook }) => hook === HOOK) as ProgramSpec;
    const at = program.lines.find(({ text }) => text === 'evt.arg[uid] = 0')?.at as number;
    const broken = [...program.instructions];
    broken[at] = assemble([ldx('dw', R0, R10, 8)]).instructions[0] as Instruction;
    expect(() => kernel.loadProgram({ ...program, instructions: broken }, maps)).toThrow(
      `program "sys_exit" (tp_btf/sys_exit): the kernel refuses it at slot ${at}, r0 = *(u64 *)(r10 +8): invalid read from stack R10 off=8 size=8 (from: evt.arg[uid] = 0); report it with the verifier log`,
    );
    expect(kernel.loadProgram(program, maps).name).toBe('sys_exit');
  });

  it('needs no lines', () => {
    const error = refused([ldx('dw', R0, R10, 8), exit()]);
    expect(error.message).toBe(
      'program "calls" (tp_btf/sys_exit): the kernel refuses it at slot 0, r0 = *(u64 *)(r10 +8): invalid read from stack R10 off=8 size=8; report it with the verifier log',
    );
  });

  it('is said of a tracepoint that this kernel does not have', () => {
    expect(() => opened().loadProgram(programOf('calls', 'tp_btf/none_such', [mov(R0, 0), exit()]), new Map())).toThrow(
      'program "calls" (tp_btf/none_such): this kernel\'s BTF has no typedef btf_trace_none_such',
    );
  });
});

describe.skipIf(skip)(`lines of a program${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('are taken with whatever text, several at one slot, at the second slot of none, and behind the last', () => {
    const items = [
      comment('rule "quotes" \0 and \u00e4\u4e2d'),
      comment('fd.name startswith /etc'),
      mov(R0, 0),
      comment('act'),
      exit(),
      comment('the end'),
    ];
    expect(opened().loadProgram(programOf('9 lines', HOOK, items), new Map()).explored).toBe(2);
  });

  it('begin every function: what is called, and callbacks whose address is taken', () => {
    const callback: Item = {
      kind: 'instruction',
      slots: [
        { opcode: LDDW, dst: 2, src: BPF_PSEUDO_FUNC, offset: 0, imm: 7 },
        { opcode: 0, dst: 0, src: 0, offset: 0, imm: 0 },
      ],
    };
    const items = [
      mov(R1, 10),
      callback,
      mov(R3, 0),
      mov(R4, 0),
      helper('bpf_loop'),
      callLocal('called'),
      mov(R0, 0),
      exit(),
      comment('rule B'),
      mov(R0, 0),
      exit(),
      label('called'),
      mov(R0, 0),
      exit(),
    ];
    const spec = programOf('main', HOOK, items);
    const info = programInfo(spec);
    expect(info.functions.map(({ at }) => at)).toEqual([0, 9, 11]);
    const words = new Uint32Array(info.lines.buffer);
    expect([words[0], words[4], words[8]]).toEqual([0, 9, 11]);
    expect(opened().loadProgram(spec, new Map()).explored).toBeGreaterThan(8);
  });
});
