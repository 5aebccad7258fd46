import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { encode, parseAssembly } from '../../engine/isa/index.ts';

/**
 * A program with what it must give, from vectors/*.txt. A vector begins with `== name` and has members, each a line; indented lines
 * are the program in the kernel's notation, `times N:` before an instruction repeats it. Results were computed from the definitions in
 * RFC 9669 with integers of any length, apart from this project, and the running kernel confirms those it takes (kernel.test.ts).
 *
 *     source:        where the expected values come from: a section of RFC 9669, or the kernel
 *     memory:        bytes in hex that r1 points to, r2 being their number; none is r1 = r2 = 0
 *     kernel:        `refuses: ` and an expression that the verifier's log matches, where Linux does not take the program
 *     result:        r0 at exit
 *     memory after:  what is then in memory; left out, what was there before
 */
export interface Vector {
  readonly name: string;
  readonly source: string;
  readonly program: string;
  readonly bytes: Uint8Array;
  readonly memory: Uint8Array;
  readonly memoryAfter: Uint8Array;
  readonly result: bigint;
  readonly refusedByKernel: RegExp | undefined;
}

const FOLDER = fileURLToPath(new URL('vectors/', import.meta.url));
const MEMBERS = new Set(['source', 'memory', 'kernel', 'result', 'memory after']);

const bytesOf = (hex: string): Uint8Array =>
  Uint8Array.from(hex.split(' ').filter(Boolean), (byte) => Number.parseInt(byte, 16));

function parseVector(text: string, file: string): Vector {
  const [name = '', ...lines] = text.trimEnd().split('\n');
  const members = new Map<string, string>();
  const program: string[] = [];
  for (const line of lines) {
    if (line.startsWith('  ')) {
      const [, times, instruction] = /^ +times (\d+): (.*)$/.exec(line) ?? [];
      program.push(...(times === undefined ? [line] : Array<string>(Number(times)).fill(instruction!)));
      continue;
    }
    const [, member = '', value = ''] = /^([a-z ]+): ?(.*)$/.exec(line) ?? [];
    if (!MEMBERS.has(member) || members.has(member)) throw new Error(`${file}: ${name}: can't read '${line}'`);
    members.set(member, value);
  }
  const [source, result] = [members.get('source'), members.get('result')];
  if (source === undefined || result === undefined) throw new Error(`${file}: ${name}: needs a source and a result`);
  const memory = bytesOf(members.get('memory') ?? '');
  const after = members.get('memory after');
  const refusal = /^refuses: (.+)$/.exec(members.get('kernel') ?? '')?.[1];
  return {
    name: name.trim(),
    source,
    program: program.join('\n'),
    bytes: encode(parseAssembly(program.join('\n')).instructions),
    memory,
    memoryAfter: after === undefined ? memory : bytesOf(after),
    result: BigInt(result),
    refusedByKernel: refusal === undefined ? undefined : new RegExp(refusal),
  };
}

/** Our own vectors, file by file. */
export const ownVectors = (): readonly Vector[] =>
  readdirSync(FOLDER)
    .sort()
    .flatMap((file) =>
      readFileSync(FOLDER + file, 'utf8')
        .split(/^== /m)
        .slice(1)
        .map((text) => parseVector(text, file)),
    );
