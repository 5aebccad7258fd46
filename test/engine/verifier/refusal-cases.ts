import { readFileSync } from 'node:fs';
import { parseAssembly } from '../../../engine/isa/index.ts';
import { type FeatureLevel, type Hook, hookOfSection } from '../../../engine/object/index.ts';
import { refusalText, type VerifierContext, VerifierError, verify } from '../../../engine/verifier/index.ts';
import { HELPERS, helperById } from '../../../engine/vm/index.ts';
import { REFUSAL_KERNEL, REFUSAL_MAPS } from './refusal-kernel.ts';

/**
 * A program and all that a person reads when it is refused, from refusals.txt. A case begins with `== name`; `hook:` is a section's
 * name or `isa N` for N bytes of memory, `level:`, `license:` may follow. Lines indented by two are the program, those that begin
 * with `|` the text; a text of `accepted` alone says that it is not refused.
 */
export interface RefusalCase {
  readonly name: string;
  readonly members: ReadonlyMap<string, string>;
  readonly program: string;
  readonly text: string;
}

export function refusalCases(): readonly RefusalCase[] {
  const content = readFileSync(new URL('refusals.txt', import.meta.url), 'utf8');
  return content
    .split(/^== /m)
    .slice(1)
    .map((part) => {
      const [name = '', ...lines] = part.split('\n');
      const members = lines.filter((line) => /^[a-z]+: /.test(line)).map((line) => line.split(/: (.*)/, 2));
      return {
        name,
        members: new Map(members.map(([key = '', value = '']) => [key, value])),
        program: lines.filter((line) => line.startsWith('  ')).join('\n'),
        text: lines
          .filter((line) => line.startsWith('|'))
          .map((line) => line.slice(2))
          .join('\n'),
      };
    });
}

const handles = new Map(REFUSAL_MAPS.map(({ name }, index) => [name, index + 10]));
const helpers = new Map(HELPERS.map(({ name, id }) => [name, id]));

function hookOf(text: string): Hook {
  const [, size] = /^isa (\d+)$/.exec(text) ?? [];
  if (size === undefined) return hookOfSection(text, REFUSAL_KERNEL.btf);
  const context = { kind: 'memory', size: Number(size), writable: true } as const;
  return { programType: 'isa', arguments: [], context, returns: { min: 0, max: 0 } };
}

/** The whole text that the program is refused with, as `shrike bpf verify` prints it; `accepted` where it isn't. */
export function refusedWith({ members, program }: RefusalCase): string {
  const source = program.replace(/kernel-function#(\w+)|variable\[(\w+)\]/g, (all, ...names: string[]) => {
    const name = names[0] ?? names[1] ?? '';
    const id = REFUSAL_KERNEL.ids.get(name);
    return id === undefined ? all : all.replace(name, `${id}`);
  });
  const { instructions, lines } = parseAssembly(source, { helpers, maps: handles, file: 'test.s' });
  const hook = members.get('hook') ?? 'tp_btf/sys_exit';
  const [level, license] = [members.get('level') as FeatureLevel | undefined, members.get('license')];
  const context: VerifierContext = {
    name: 'test',
    hook: hookOf(hook),
    btf: REFUSAL_KERNEL.btf,
    map: (handle) => REFUSAL_MAPS[handle - 10],
    helper: helperById,
    ...(members.get('lines') === 'yes' && { lines }),
    ...(hook.startsWith('isa') && { profile: 'isa' as const }),
    ...(level && { level }),
    ...(license && { license }),
  };
  try {
    verify(instructions, context);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof VerifierError)) throw error;
    const { summary, details, way } = refusalText(error);
    return [summary, ...details, ...way].map((line) => line.replace(/ {2,}/g, '  ')).join('\n');
  }
}
