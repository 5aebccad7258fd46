import type { Instruction } from '../engine/isa/index.ts';
import {
  type Btf,
  type ElfObject,
  type FeatureLevel,
  type Hook,
  type MapSpec,
  RelocationError,
  relocateProgram,
} from '../engine/object/index.ts';
import { refusalText, type VerifierContext, VerifierError, verify } from '../engine/verifier/index.ts';
import { helperById } from '../engine/vm/index.ts';
import { plainProgram } from './bpf-code.ts';
import { kernelTypes, memoryHook, noTypes, sectionHook, typeHook } from './bpf-hook.ts';
import { contentOf, type Input } from './bpf-input.ts';
import { chosenPrograms, readObject, withRunningConfig } from './bpf-object.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import type { Output } from './output.ts';
import { count } from './paint.ts';

export interface VerifyOptions {
  readonly section?: string;
  readonly type?: string;
  readonly profile?: 'linux' | 'isa';
  readonly level?: FeatureLevel;
  readonly btf?: string;
  /** Bytes at r1, for programs of type isa. */
  readonly memory?: number;
  readonly json?: boolean;
}

/** A program, and what it is verified against. */
interface Subject {
  readonly instructions: readonly Instruction[];
  readonly context: VerifierContext;
}

/** What the verifier said. */
type Verdict =
  | { readonly accepted: true; readonly explored: number; readonly stackDepth: number }
  | { readonly accepted: false; readonly error: VerifierError }
  /** It can't be fitted to the kernel. */
  | { readonly accepted: false; readonly relocation: RelocationError };

const common = ({ profile, level }: VerifyOptions) => ({
  helper: helperById,
  ...(profile !== undefined && { profile }),
  ...(level !== undefined && { level }),
});

const objectSubject = (
  object: ElfObject,
  program: ElfObject['programs'][number],
  btf: Btf,
  options: VerifyOptions,
): Subject => {
  const handles = new Map<string, number>(object.maps.map(({ name }, index) => [name, index + 1]));
  const specs = new Map<number, MapSpec>(object.maps.map((spec, index) => [index + 1, spec]));
  const hook = options.type === undefined ? sectionHook(program.hook, btf) : typeHook(options.type, btf);
  return {
    instructions: relocateProgram(program, { maps: (name) => handles.get(name), btf, object }).instructions,
    context: {
      ...common(options),
      name: program.name,
      hook,
      btf,
      map: (handle) => specs.get(handle),
      lines: program.lines,
      license: object.license,
      ...(program.functions && { functions: program.functions }),
      ...(object.btf && { objectBtf: object.btf }),
    },
  };
};

const plainHook = ({ type, section, memory = 0 }: VerifyOptions, btf: () => Btf): Hook => {
  if (section !== undefined) return sectionHook(section, btf());
  if (type === undefined || type === 'isa') return memoryHook(memory);
  return typeHook(type, btf());
};

const plainSubject = (input: Input, options: VerifyOptions, colour: boolean): Subject => {
  const content = contentOf(input);
  if (content.kind === 'elf') throw new Error('an ELF object is no plain program');
  const { instructions, lines, relocations } = plainProgram(content, input.name, colour);
  const [named] = relocations;
  if (named && 'map' in named) {
    throw new CliError(
      `${input.name}: slot ${named.at} refers to the map '${named.map}', which only an object defines; verify the object`,
      EXIT.usage,
    );
  }
  const hook = plainHook(options, () => kernelTypes(options.btf));
  const profile = options.profile ?? (hook.programType === 'isa' ? 'isa' : 'linux');
  const btf = hook.programType === 'isa' ? noTypes() : kernelTypes(options.btf);
  return {
    instructions,
    context: { ...common({ ...options, profile }), name: input.name, hook, btf, map: () => undefined, lines },
  };
};

const verdictOf = (subject: () => Subject): Verdict => {
  try {
    const { instructions, context } = subject();
    const { explored, stackDepth } = verify(instructions, context);
    return { accepted: true, explored, stackDepth };
  } catch (error) {
    if (error instanceof VerifierError) return { accepted: false, error };
    if (error instanceof RelocationError) return { accepted: false, relocation: error };
    throw error;
  }
};

const printRefusal = (error: VerifierError, output: Output): void => {
  const { paint } = output;
  const { summary, details, way } = refusalText(error);
  output.line(`  ${paint.red(summary)}`);
  for (const detail of details) output.line(`  ${detail}`);
  if (way.length > 0) output.line('  the way there, with what each instruction changed:');
  for (const step of way) output.line(paint.dim(`    ${step}`));
};

const print = (name: string, section: string, verdict: Verdict, output: Output): void => {
  const { paint } = output;
  const title = `${paint.bold(name)} (${section})`;
  if (verdict.accepted) {
    const { explored, stackDepth } = verdict;
    const stack = stackDepth === 0 ? 'no stack' : `${stackDepth} bytes of stack`;
    output.line(`${title}: ${paint.green('accepted')}, ${count(explored, 'instruction')} explored, ${stack}`);
    return;
  }
  output.line(`${title}: ${paint.red('refused')}`);
  if ('error' in verdict) printRefusal(verdict.error, output);
  else output.line(`  ${paint.red(verdict.relocation.message)}`);
};

const record = (name: string, section: string, verdict: Verdict): unknown => {
  const common = { type: 'program', program: name, section, accepted: verdict.accepted };
  if (verdict.accepted) return { ...common, explored: verdict.explored, stackDepth: verdict.stackDepth };
  if ('relocation' in verdict) return { ...common, at: verdict.relocation.at, reason: verdict.relocation.message };
  const { reason, at, instruction, registers, path, line, log } = verdict.error;
  return { ...common, reason, at, instruction, registers, path, ...(line && { line }), log };
};

/** Verifies the programs of an object, or assembly and instructions, and says what was found. */
export const verifyPrograms = (input: Input, options: VerifyOptions, output: Output): ExitCode => {
  const content = contentOf(input);
  const verdicts: { readonly name: string; readonly section: string; readonly verdict: Verdict }[] = [];
  if (content.kind === 'elf') {
    if (options.memory !== undefined) {
      throw new CliError(
        '--memory is for programs of type isa; an object says itself what its programs get',
        EXIT.usage,
      );
    }
    const read = readObject(content.bytes, input.name);
    const object = options.btf === undefined ? withRunningConfig(read) : read;
    const btf = kernelTypes(options.btf);
    for (const program of chosenPrograms(object, options.section)) {
      const verdict = verdictOf(() => objectSubject(object, program, btf, options));
      verdicts.push({ name: program.name, section: program.hook, verdict });
    }
  } else {
    const subject = plainSubject(input, options, output.paint.colour);
    const { name = 'isa' } = subject.context.hook;
    verdicts.push({ name: input.name, section: name, verdict: verdictOf(() => subject) });
  }
  for (const { name, section, verdict } of verdicts) {
    if (options.json) output.json(record(name, section, verdict));
    else print(name, section, verdict, output);
  }
  return verdicts.every(({ verdict }) => verdict.accepted) ? EXIT.fine : EXIT.findings;
};
