import type { Instruction } from '../engine/isa/index.ts';
import { type Verified, VerifierError, verify } from '../engine/verifier/index.ts';
import { helperById } from '../engine/vm/index.ts';
import { decoded } from './bpf-code.ts';
import { type EngineName, prepare } from './bpf-engines.ts';
import { memoryHook, noTypes } from './bpf-hook.ts';
import { contentOf, hexBytes, type Input } from './bpf-input.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import type { Output } from './output.ts';

export interface RunOptions {
  readonly engine: EngineName;
  readonly bench?: number;
}

/** Of how many runs one is made before, unmeasured. */
const WARM_UP = 10;

/** The program's instructions: hexadecimal by the conformance runner's protocol, raw bytes as well. @throws CliError */
const programOf = (input: Input): Instruction[] => {
  const content = contentOf(input);
  if (content.kind === 'elf') {
    throw new CliError(`${input.name} is an ELF object; run takes the bytes of one program`, EXIT.usage);
  }
  const bytes = content.kind === 'text' ? hexBytes(content.text, input.name) : content.bytes;
  if (bytes.length === 0) {
    throw new CliError(`${input.name} is empty; expected the program's bytes in hexadecimal`, EXIT.usage);
  }
  return decoded(bytes, input.name);
};

const verified = (instructions: readonly Instruction[], memory: number): Verified => {
  try {
    return verify(instructions, {
      name: 'program',
      profile: 'isa',
      hook: memoryHook(memory),
      btf: noTypes(),
      map: () => undefined,
      helper: helperById,
    });
  } catch (error) {
    if (error instanceof VerifierError) throw new CliError(`the verifier refuses the ${error.message}`, EXIT.usage);
    throw error;
  }
};

/** Verifies a program and runs it on memory; prints r0 in hexadecimal, or with --bench how long a run takes. */
export const runProgram = (input: Input, memory: string | undefined, options: RunOptions, output: Output): ExitCode => {
  const { engine, bench } = options;
  const bytes = hexBytes(memory ?? '', 'the memory');
  const program = verified(programOf(input), bytes.length);
  const begin = performance.now();
  const prepared = prepare(engine, program, bytes);
  try {
    const compileMs = performance.now() - begin;
    const r0 = prepared.run();
    if (bench === undefined) {
      output.line(r0.toString(16));
      return EXIT.fine;
    }
    for (let run = 0; run < bench / WARM_UP; run++) prepared.run();
    const start = performance.now();
    for (let run = 0; run < bench; run++) prepared.run();
    const nsPerRun = ((performance.now() - start) * 1e6) / bench;
    output.json({
      engine,
      r0: `0x${r0.toString(16)}`,
      runs: bench,
      nsPerRun: Math.round(nsPerRun * 10) / 10,
      compileMs: Math.round(compileMs * 1000) / 1000,
    });
    return EXIT.fine;
  } finally {
    prepared.close();
  }
};
