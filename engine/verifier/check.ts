import {
  BPF_PSEUDO_MAP_FD,
  BPF_PSEUDO_MAP_VALUE,
  fieldsOf,
  type Instruction,
  LDDW,
  OPCODES,
  type Opcode,
  opcodeOf,
  reservedField,
} from '../isa/index.ts';
import type { ProgramType } from '../object/index.ts';
import { helperFor } from '../vm/index.ts';
import type { VerifierContext } from './context.ts';
import { Rejection } from './error.ts';
import { kfuncOf } from './kernel-functions.ts';
import { hasSince, instructionSince } from './level.ts';
import { decodeStep, type Step } from './step.ts';

/** BPF_COMPLEXITY_LIMIT_INSNS of include/linux/bpf.h. */
export const MAX_SLOTS = 1_000_000;

/** MAX_USED_MAPS of include/linux/bpf_verifier.h. */
const MAX_MAPS = 64;

/** Program types that may read packets with ldabs and ldind (may_access_skb of kernel/bpf/verifier.c). */
const READ_PACKETS: readonly ProgramType[] = ['socket_filter', 'sched_cls'];

/** Forms that have to be turned into others before a program is verified. */
const REFUSED: Readonly<Record<string, string>> = {
  lddw_map_index: 'a map by its index is not supported; load it by its handle',
  lddw_map_index_value: 'a map value by index is not supported; load it by the handle of its map',
};

/**
 * Checks what can be seen without exploring, and decodes: each slot on its own, then where jumps and calls go.
 * The result has one entry a slot, undefined for the second slot of a wide instruction.
 * @throws Rejection
 */
export function checkInstructions(
  instructions: readonly Instruction[],
  context: VerifierContext,
): readonly (Step | undefined)[] {
  if (instructions.length === 0) throw new Rejection('the program is empty; it needs at least an exit', 0);
  if (instructions.length > MAX_SLOTS) {
    throw new Rejection(`the program has ${instructions.length} slots, at most ${MAX_SLOTS} are allowed`, 0);
  }
  const steps: (Step | undefined)[] = [];
  for (let at = 0; at < instructions.length; ) {
    const step = checkInstruction(instructions, at, context);
    steps.push(step);
    if (step.next === at + 2) steps.push(undefined);
    at = step.next;
  }
  for (const step of steps) if (step && step.target !== -1) checkTarget(step, steps);
  checkMaps(steps);
  return steps;
}

function checkInstruction(instructions: readonly Instruction[], at: number, context: VerifierContext): Step {
  const instruction = instructions[at]!;
  const row = checkOpcode(instruction, context, at);
  checkFields(instruction, row, at);
  if (row.opcode === LDDW) checkWide(instructions, row, at);
  if (context.profile !== 'isa') checkOperand(instruction, row, at);
  return decodeStep(instructions, at, {
    helper: (id) => {
      const helper = context.helper(id);
      return helper && helperFor(helper, context.hook.programType);
    },
    kfunc: (id) => kfuncOf(id, context),
  })!;
}

const hex = (opcode: number): string => `0x${opcode.toString(16).padStart(2, '0')}`;

function checkOpcode(instruction: Instruction, context: VerifierContext, at: number): Opcode {
  const row = opcodeOf(instruction);
  if (!row) {
    const known = OPCODES.some(({ opcode }) => opcode === instruction.opcode);
    throw new Rejection(
      known
        ? `opcode ${hex(instruction.opcode)} has a reserved value in src, offset or imm`
        : `opcode ${hex(instruction.opcode)} is not an instruction of RFC 9669`,
      at,
    );
  }
  const refused = REFUSED[row.name] ?? refusedHere(row, context);
  if (refused) throw new Rejection(refused, at);
  return row;
}

/** Why a form of RFC 9669 or of Linux can't be used in this profile, program type or kernel. */
function refusedHere(row: Opcode, { profile, hook, level }: VerifierContext): string | undefined {
  const since = instructionSince(row);
  if (!hasSince(level, since))
    return `${row.operation === 'ja32' ? 'gotol' : row.operation} exists from Linux ${since} on; the program is for ${level}`;
  if (row.group === 'packet' && !READ_PACKETS.includes(hook.programType)) {
    return 'packet access is for socket filters and traffic control programs only';
  }
  if (profile === 'isa') {
    if (row.group === 'linux' || row.operation === 'call_btf' || row.name === 'lddw_variable') {
      return `${row.name} is no part of RFC 9669's own machine; verify with the profile linux`;
    }
  } else if (row.operation === 'callx') {
    return 'a call through a register is refused by Linux; call a helper by its id or a function by its distance';
  }
  return undefined;
}

/** Which fields of a row hold registers, and whether those are written to. */
interface RowRegisters {
  readonly fields: readonly ('dst' | 'src')[];
  readonly writesDst: boolean;
  readonly writesSrc: boolean;
}

function registersOf(row: Opcode): RowRegisters {
  const used = fieldsOf(row);
  const { class: cls, operation, fixed } = row;
  return {
    fields: (['dst', 'src'] as const).filter((name) => used.has(name) && fixed[name] === undefined),
    writesDst: cls === 'alu' || cls === 'alu64' || cls === 'ldx' || cls === 'ld' || operation === 'load_acquire',
    writesSrc: cls === 'stx' && /fetch|xchg/.test(operation) && !operation.endsWith('cmpxchg'),
  };
}

const REGISTERS: ReadonlyMap<Opcode, RowRegisters> = new Map(OPCODES.map((row) => [row, registersOf(row)]));

function checkFields(instruction: Instruction, row: Opcode, at: number): void {
  const reserved = reservedField(row, instruction);
  if (reserved) {
    throw new Rejection(`the field ${reserved.field} is reserved here and must be 0, it is ${reserved.value}`, at);
  }
  const { fields, writesDst, writesSrc } = REGISTERS.get(row)!;
  for (const field of fields) {
    const register = instruction[field];
    if (register < 0 || register > 10) throw new Rejection(`there is no register r${register}; they are r0 to r10`, at);
  }
  if ((writesDst && instruction.dst === 10) || (writesSrc && instruction.src === 10)) {
    throw new Rejection('r10 is the frame pointer and read only; copy it to another register', at);
  }
}

function checkWide(instructions: readonly Instruction[], row: Opcode, at: number): void {
  const second = instructions[at + 1];
  if (!second) throw new Rejection('the wide instruction has no second slot', at);
  if (second.opcode !== 0 || second.dst !== 0 || second.src !== 0 || second.offset !== 0) {
    throw new Rejection('the second slot of the wide instruction may only carry imm', at);
  }
  if (second.imm !== 0 && row.name !== 'lddw' && row.name !== 'lddw_map_value') {
    throw new Rejection(`the second slot's imm is reserved here and must be 0, it is ${second.imm}`, at);
  }
}

const DIVISIONS: ReadonlySet<string> = new Set(['div', 'mod', 'sdiv', 'smod']);
const SHIFTS: ReadonlySet<string> = new Set(['lsh', 'rsh', 'arsh']);

function checkOperand({ imm }: Instruction, row: Opcode, at: number): void {
  if (row.source !== 'imm' || (row.class !== 'alu' && row.class !== 'alu64')) return;
  if (DIVISIONS.has(row.operation) && imm === 0) throw new Rejection('division by the constant 0', at);
  if (SHIFTS.has(row.operation) && (imm < 0 || imm >= row.width)) {
    throw new Rejection(`a shift by ${imm} is not below the width of ${row.width} bits`, at);
  }
}

function checkTarget(step: Step, steps: readonly (Step | undefined)[]): void {
  const { at, target } = step;
  const what = step.kind === 'call' ? 'call' : step.kind === 'constant' ? 'address of a function' : 'jump';
  if (target < 0 || target >= steps.length) {
    throw new Rejection(`the ${what} goes to slot ${target}, the program has slots 0 to ${steps.length - 1}`, at);
  }
  if (!steps[target])
    throw new Rejection(`the ${what} goes into the middle of the wide instruction at slot ${target - 1}`, at);
}

function checkMaps(steps: readonly (Step | undefined)[]): void {
  const handles = new Set<number>();
  for (const step of steps) {
    if (step?.kind !== 'constant' || (step.src !== BPF_PSEUDO_MAP_FD && step.src !== BPF_PSEUDO_MAP_VALUE)) continue;
    handles.add(step.imm);
    if (handles.size > MAX_MAPS) throw new Rejection(`the program uses more than ${MAX_MAPS} maps`, step.at);
  }
}
