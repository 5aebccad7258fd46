import { disassemble } from '../../engine/isa/index.ts';
import type { LineInfo, ProgramSpec } from '../../engine/object/index.ts';
import { BpfError } from './error.ts';

/** What a person can do about a program that the verifier refuses, by errno. */
const REMEDIES: Readonly<Record<string, string>> = {
  E2BIG: 'it is too large for this kernel: load fewer rules, or leave out the one with the longest list',
  EPERM: 'this kernel does not let this process load programs of that kind; "shrike doctor" says which it does',
  ENOMEM: 'the kernel has no memory for it: raise the memory limit of the cgroup that Shrike runs in',
};
const REPORT = 'report it with the verifier log';

/** A program that the running kernel's verifier refused: the slot, and what the slot comes from. */
export class ProgramRefused extends BpfError {
  readonly program: string;
  readonly hook: string;
  /** The slot that was refused; undefined where the log names none. */
  readonly at: number | undefined;
  /** Its disassembly. */
  readonly instruction: string | undefined;
  /** What it comes from: `fd.name = /etc/shadow`. */
  readonly line: LineInfo | undefined;

  constructor(spec: ProgramSpec<string>, cause: BpfError) {
    super('BPF_PROG_LOAD', cause.number, `program "${spec.name}" (${spec.hook})`, cause.log);
    const at = refusedSlot(cause.log, cause.reason);
    const instruction = at === undefined ? undefined : textOf(spec, at);
    const line = at === undefined ? undefined : lineOf(spec.lines, at);
    const place = at === undefined ? '' : ` at slot ${at}${instruction ? `, ${instruction}` : ''}`;
    const reason = cause.reason === '' ? cause.errno : cause.reason;
    const remedy = REMEDIES[cause.errno] ?? REPORT;
    this.message = `program "${spec.name}" (${spec.hook}): the kernel refuses it${place}: ${reason}${line ? ` (from: ${line.text})` : ''}; ${remedy}`;
    this.name = 'ProgramRefused';
    this.program = spec.name;
    this.hook = spec.hook;
    this.at = at;
    this.instruction = instruction;
    this.line = line;
  }
}

/** The slot that a verifier's log ends with, or that its reason names. */
function refusedSlot(log: string, reason: string): number | undefined {
  const named = /\binsn (\d+)\b/.exec(reason);
  if (named) return Number(named[1]);
  const last = log.split('\n').findLast((line) => /^\d+: \(/.test(line));
  return last === undefined ? undefined : Number.parseInt(last, 10);
}

function textOf({ instructions, relocations }: ProgramSpec<string>, at: number): string | undefined {
  const relocation = (slot: number) => relocations.find((one) => one.at === slot);
  return disassemble(instructions, { relocation }).find((line) => line.at === at)?.text;
}

/** The last line at or in front of a slot. */
const lineOf = (lines: readonly LineInfo[], at: number): LineInfo | undefined =>
  lines.findLast((line) => line.at <= at);
