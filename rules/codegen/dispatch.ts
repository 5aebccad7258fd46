import { and, assemble, comment, exit, ldx, loadMap, loadMapValue, mov, R0, R2, R3 } from '../../engine/isa/index.ts';
import type { MapSpec, ProgramSpec } from '../../engine/object/index.ts';
import { helper } from './emitter.ts';

/** Generations whose programs there is room for: that which runs, and the next. */
const BANKS = 2;
const GENERATION = 'generation';
const PROGRAMS = 'programs';

/** The shared cell: its only value is the number of the generation whose programs run, a u64; 0: none has been chosen. */
export const GENERATION_MAP: MapSpec = { name: GENERATION, type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 };

/** Where a hook's programs are, each at the place of its generation. */
export const HOOK_PROGRAMS_MAP: MapSpec = {
  name: PROGRAMS,
  type: 'prog_array',
  keySize: 4,
  valueSize: 4,
  maxEntries: BANKS,
};

/** The place of a generation in that map: generations that follow one another have different ones. */
export const generationPlace = (generation: number): number => generation % BANKS;

/**
 * What is attached to a hook for as long as it is observed: it reads the cell once and goes on with the program of that generation, so
 * that each event is seen by exactly one, whenever the cell changes. A hook that the generation has no program for lets all pass.
 */
export const dispatchProgram = (hook: string): ProgramSpec<string> => {
  const { instructions, relocations, lines } = assemble([
    comment('the program of the generation that runs'),
    loadMapValue(R3, GENERATION, 0),
    ldx('dw', R3, R3, 0),
    and(R3, BANKS - 1),
    loadMap(R2, PROGRAMS),
    helper('bpf_tail_call'),
    mov(R0, hook.startsWith('cgroup/') ? 1 : 0),
    exit(),
  ]);
  return { name: 'dispatch', hook, instructions, relocations, lines };
};
