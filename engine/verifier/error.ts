import type { LineInfo } from '../object/index.ts';

/** Thrown inside the verifier where a program breaks a rule; `verify` adds the place and the state. */
export class Rejection extends Error {
  /** Slot, where it isn't the one being explored. */
  readonly at: number | undefined;

  constructor(reason: string, at?: number) {
    super(reason);
    this.name = 'Rejection';
    this.at = at;
  }
}

export interface VerifierErrorDetails {
  readonly program: string;
  /** Why, for people: names the register and the remedy. */
  readonly reason: string;
  /** Slot of the instruction that was refused. */
  readonly at: number;
  /** Its disassembly. */
  readonly instruction: string;
  /** Registers and stack before it, empty where the structure was refused before anything was explored. */
  readonly registers: string;
  /** The last slots on the way to it, oldest first. */
  readonly path: readonly number[];
  /** What the slot came from, where that is known. */
  readonly line?: LineInfo;
  /** The way to it, one instruction a line, as far back as it is kept. */
  readonly log: string;
}

/** Where a line is from and what it says: `exec.c:12:5: pid = 0;`, or the text alone where a rule compiler wrote it. */
const sourceOf = ({ file, line, column, text }: LineInfo): string => {
  if (file === undefined) return text.trim();
  return `${file}:${line ?? 0}${column === undefined ? '' : `:${column}`}: ${text.trim()}`;
};

/** A refusal as people read it. */
export interface RefusalText {
  /** Slot, instruction and reason. */
  readonly summary: string;
  /** Where it comes from, and the state before it, a line each. */
  readonly details: readonly string[];
  /** The instructions on the way to it with what each changed, a line each. */
  readonly way: readonly string[];
}

/** Says all that is known of a refusal, without the program's name. */
export function refusalText({ at, instruction, reason, line, registers, path, log }: VerifierError): RefusalText {
  const explored = registers === '' ? [] : [`registers  ${registers}`, `path       ${path.join(' ')}`];
  return {
    summary: `slot ${at}: ${instruction}: ${reason}`,
    details: [...(line ? [`from       ${sourceOf(line)}`] : []), ...explored],
    way: registers === '' ? [] : log.split('\n').slice(0, path.length),
  };
}

/** A program that may not run. The message is one line; everything else is in its members. */
export class VerifierError extends Error {
  readonly program: string;
  readonly reason: string;
  readonly at: number;
  readonly instruction: string;
  readonly registers: string;
  readonly path: readonly number[];
  readonly line: LineInfo | undefined;
  readonly log: string;

  constructor(details: VerifierErrorDetails) {
    const { program, at, instruction, reason, line } = details;
    super(`${program}: slot ${at}: ${instruction}: ${reason}${line ? ` (from: ${sourceOf(line)})` : ''}`);
    this.name = 'VerifierError';
    this.program = program;
    this.reason = reason;
    this.at = at;
    this.instruction = instruction;
    this.registers = details.registers;
    this.path = details.path;
    this.line = line;
    this.log = details.log;
  }
}
