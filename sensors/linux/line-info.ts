import { BPF_PSEUDO_CALL, BPF_PSEUDO_FUNC, type Instruction, LDDW } from '../../engine/isa/index.ts';
import { createBtfBuilder, type LineInfo, type ProgramSpec } from '../../engine/object/index.ts';
import { appendStrings } from './object-btf.ts';

const CALL = 0x85;

/** What a program is loaded with so that the kernel's log and bpftool name the rules it comes from. */
export interface ProgramInfo {
  /** BTF with a function for the program and for each that it calls. */
  readonly btf: Uint8Array;
  readonly functions: readonly { readonly at: number; readonly type: number }[];
  /** struct bpf_line_info, one after the other. */
  readonly lines: Uint8Array;
}

/** Where a program's functions begin: its first instruction, what it calls, and callbacks whose address it takes. */
function functionStarts(instructions: readonly Instruction[]): readonly number[] {
  const starts = new Set([0]);
  for (const [at, { opcode, src, imm }] of instructions.entries())
    if ((opcode === CALL && src === BPF_PSEUDO_CALL) || (opcode === LDDW && src === BPF_PSEUDO_FUNC))
      starts.add(at + 1 + imm);
  return [...starts].sort((one, other) => one - other);
}

/** Texts by slot: several of one slot become one, and each function begins with one, as check_btf_line of kernel/bpf/verifier.c wants it. */
function textsBySlot(
  lines: readonly LineInfo[],
  starts: readonly number[],
  name: string,
  slots: number,
): ReadonlyMap<number, string> {
  const texts = new Map<number, string>();
  for (const { at, text } of lines) {
    if (at >= slots) continue;
    const before = texts.get(at);
    texts.set(at, before === undefined ? text : `${before}; ${text}`);
  }
  for (const at of starts) if (!texts.has(at)) texts.set(at, name);
  return new Map([...texts].sort(([one], [other]) => one - other));
}

/** Types and lines of a program that the rule compiler or an assembler made; it has none of its own. */
export function programInfo({
  name,
  instructions,
  lines,
}: Pick<ProgramSpec<string>, 'name' | 'instructions' | 'lines'>): ProgramInfo {
  const builder = createBtfBuilder();
  const int = builder.int('int', 4, true);
  const context = builder.pointer(0);
  const proto = builder.funcProto(int, [{ name: 'ctx', type: context }]);
  const identifier = name.replace(/\W/g, '_').replace(/^(?=\d|$)/, '_');
  const functions = functionStarts(instructions).map((at) => ({
    at,
    type: builder.func(at === 0 ? identifier : `${identifier}_${at}`, proto),
  }));
  const texts = textsBySlot(
    lines,
    functions.map(({ at }) => at),
    name,
    instructions.length,
  );
  const { bytes, offsets } = appendStrings(builder.bytes(), [...texts.values()]);
  const words = [...texts.keys()].flatMap((at, index) => [at, 0, offsets[index] ?? 0, 0]);
  return { btf: bytes, functions, lines: new Uint8Array(Uint32Array.from(words).buffer) };
}
