import type { LineInfo, Relocation } from '../object/index.ts';
import { nearest } from '../text/index.ts';
import { encode } from './encode.ts';
import type { Instruction } from './instruction.ts';
import { type AssemblyIssue, type PendingName, readStatements, type Statement } from './instruction-text.ts';
import { readLine } from './listing-line.ts';
import { opcodeNamed } from './opcodes.ts';

/** What the names of a text stand for. */
export interface ParseOptions {
  /** Helpers by name: `bpf_map_lookup_elem` is 1. */
  readonly helpers?: ReadonlyMap<string, number>;
  /** Handles of maps by name; without, `map[events]` becomes a relocation. */
  readonly maps?: ReadonlyMap<string, number>;
  /** The file's name, for `lines`. */
  readonly file?: string;
}

/** A text that was read: slots, where its labels stand, and what each instruction came from. */
export interface ParsedAssembly {
  readonly instructions: Instruction[];
  readonly relocations: Relocation[];
  readonly labels: ReadonlyMap<string, number>;
  readonly lines: LineInfo[];
}

/** Thrown by `parseAssembly` with all that is wrong in a text, in the order of its lines. */
export class AssemblySyntaxError extends Error {
  readonly issues: readonly AssemblyIssue[];

  constructor(issues: readonly AssemblyIssue[]) {
    super(issues.map(({ line, column, message }) => `${line}:${column}: ${message}`).join('\n'));
    this.name = 'AssemblySyntaxError';
    this.issues = issues;
  }
}

interface Placed {
  readonly at: number;
  readonly line: number;
  readonly column: number;
  readonly text: string;
  readonly candidates: readonly Statement[];
  readonly opcode: number | undefined;
  bytes: Uint8Array | undefined;
}

/**
 * Reads a program in the kernel's notation (kernel/bpf/disasm.c: `bpftool prog dump xlated`, the verifier's log) or LLVM's
 * (llvm-objdump -d), whole listings included: slot numbers, opcodes in brackets and bytes are compared with the text, comments and
 * headings are skipped. `name:` is a label that jumps and calls may name. @throws AssemblySyntaxError
 */
export function parseAssembly(text: string, options: ParseOptions = {}): ParsedAssembly {
  const issues: AssemblyIssue[] = [];
  const labels = new Map<string, number>();
  const places: Placed[] = [];
  const byPlace = new Map<number, Placed>();
  let next = 0;
  for (const [index, source] of text.split('\n').entries()) {
    const line = index + 1;
    const read = readLine(source);
    for (const { name, column } of read.labels) {
      const before = labels.get(name);
      if (before !== undefined && before !== next) {
        issues.push({ line, column, message: `the label '${name}' is defined before slot ${before} already` });
      } else labels.set(name, next);
    }
    const last = places.at(-1);
    if (read.section !== undefined && last) {
      const message = `a second section, ${read.section}, begins here; read one at a time (llvm-objdump -d -j ${read.section})`;
      issues.push({ line, column: 1, message });
      break;
    }
    if (read.text === undefined) {
      if (read.bytes && last) last.bytes ??= read.bytes;
      continue;
    }
    const { column, text: statement, slot, opcode, bytes } = read;
    const found = readStatements(statement, column, opcode !== undefined || bytes !== undefined);
    if (!('length' in found)) {
      issues.push({ line, ...found });
      next = (slot?.number ?? next) + 1;
      continue;
    }
    const at = slot?.number ?? next;
    next = at + found[0]!.slots.length;
    const placed: Placed = { at, line, column, text: statement, candidates: found, opcode, bytes };
    const before = byPlace.get(at);
    if (!before) {
      places.push(placed);
      byPlace.set(at, placed);
    } else if (before.text !== statement) {
      issues.push({
        line,
        column: slot?.column ?? column,
        message: `slot ${at} holds '${before.text}' already, from line ${before.line}`,
      });
    }
  }
  return place(places, labels, issues, options);
}

function place(
  places: readonly Placed[],
  labels: ReadonlyMap<string, number>,
  issues: AssemblyIssue[],
  options: ParseOptions,
): ParsedAssembly {
  const result: ParsedAssembly = { instructions: [], relocations: [], labels, lines: [] };
  const { instructions, relocations, lines } = result;
  const sorted = [...places].sort((one, other) => one.at - other.at);
  const length = sorted.reduce((end, { at, candidates }) => Math.max(end, at + candidates[0]!.slots.length), 0);
  for (const placed of sorted) {
    const { at, line, column, text } = placed;
    if (at !== instructions.length && issues.length === 0) {
      const missing = instructions.length;
      const message =
        at > missing
          ? `the text goes on with slot ${at}, but ${at - missing === 1 ? `slot ${missing} is` : `slots ${missing} to ${at - 1} are`} missing`
          : `slot ${at} is the second half of the wide instruction at slot ${at - 1}`;
      issues.push({ line, column, message });
    }
    const chosen = choose(placed);
    if (!('row' in chosen)) {
      issues.push({ line, ...chosen });
      instructions.push(...placed.candidates[0]!.slots);
      continue;
    }
    const resolved = resolve(chosen, at, labels, length, options);
    if ('message' in resolved) issues.push({ line, ...resolved });
    else {
      instructions.push(...resolved.slots);
      if (resolved.relocation) relocations.push(resolved.relocation);
    }
    lines.push({ at, text, line, column, ...(options.file !== undefined && { file: options.file }) });
  }
  if (issues.length > 0) throw new AssemblySyntaxError(issues.sort((a, b) => a.line - b.line || a.column - b.column));
  return result;
}

type Issue = Omit<AssemblyIssue, 'line'>;

const hex = (byte: number): string => `0x${byte.toString(16).padStart(2, '0')}`;
const hexBytes = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');

/** The statement that the listing's opcode and bytes say, where the text could be several. */
function choose({ candidates, opcode, bytes, column, text }: Placed): Statement | Issue {
  const [first] = candidates;
  const ofOpcode = opcode === undefined ? candidates : candidates.filter(({ row }) => row.opcode === opcode);
  if (ofOpcode.length === 0) {
    return {
      column,
      message: `'${text}' has opcode ${hex(first!.row.opcode)}, but the listing says ${hex(opcode!)}`,
    };
  }
  if (bytes === undefined) return ofOpcode[0]!;
  const wanted = hexBytes(bytes);
  const ofBytes = ofOpcode.find((statement) => statement.name || hexBytes(encode(statement.slots)) === wanted);
  return (
    ofBytes ?? {
      column,
      message: `'${text}' is ${hexBytes(encode(ofOpcode[0]!.slots))}, but the listing says ${wanted}`,
    }
  );
}

interface Resolved {
  readonly slots: readonly Instruction[];
  readonly relocation?: Relocation;
}

function resolve(
  { row, slots, name }: Statement,
  at: number,
  labels: ReadonlyMap<string, number>,
  length: number,
  options: ParseOptions,
): Resolved | Issue {
  if (!name) return { slots };
  const [first, ...rest] = slots as [Instruction, ...Instruction[]];
  switch (name.kind) {
    case 'helper': {
      const id = options.helpers?.get(name.name);
      return { slots: id === undefined ? slots : [{ ...first, imm: id }] };
    }
    case 'map': {
      const relocation: Relocation =
        row.name === 'lddw_map'
          ? { kind: 'map', at, map: name.name }
          : { kind: 'map_value', at, map: name.name, offset: rest[0]!.imm };
      if (!options.maps) return { slots, relocation };
      const handle = options.maps.get(name.name);
      return handle === undefined
        ? unknown('there is no map', name, [...options.maps.keys()])
        : { slots: [{ ...first, imm: handle }, ...rest] };
    }
    case 'call': {
      const id = options.helpers?.get(name.name);
      if (!labels.has(name.name) && id !== undefined) return { slots: [{ ...first, imm: id }] };
      if (!labels.has(name.name)) {
        return unknown('there is no label and no helper', name, [...labels.keys(), ...(options.helpers?.keys() ?? [])]);
      }
      const local = opcodeNamed('call_local', 'imm');
      return reach({ ...first, src: local.fixed.src ?? 0 }, local.name, name, at, labels, length);
    }
    case 'jump':
      if (!labels.has(name.name)) return unknown('there is no label', name, [...labels.keys()]);
      return reach(first, row.name, name, at, labels, length, rest);
  }
}

function unknown(what: string, { name, column }: PendingName, names: readonly string[]): Issue {
  const near = nearest(name, names);
  return {
    column,
    message: `${what} '${name}'${near === undefined ? '' : `; did you mean '${near}'?`}`,
    ...(near !== undefined && { nearest: near }),
  };
}

function reach(
  instruction: Instruction,
  row: string,
  { name, column }: PendingName,
  at: number,
  labels: ReadonlyMap<string, number>,
  length: number,
  rest: readonly Instruction[] = [],
): Resolved | Issue {
  const target = labels.get(name)!;
  if (target >= length) {
    return { column, message: `the label '${name}' stands at the end, with no instruction after it` };
  }
  const distance = target - at - 1;
  if (['ja32', 'call_local', 'lddw_code'].includes(row)) return { slots: [{ ...instruction, imm: distance }, ...rest] };
  if ((distance << 16) >> 16 === distance) return { slots: [{ ...instruction, offset: distance }] };
  return {
    column,
    message: `the label '${name}' at slot ${target} is ${Math.abs(distance)} slots away, more than a 16-bit offset reaches; use gotol`,
  };
}
