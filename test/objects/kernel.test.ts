import { afterAll, describe, expect, it } from 'vitest';
import { type BpfMap, createMap } from '../../engine/maps/index.ts';
import { type ElfObject, withKconfig } from '../../engine/object/index.ts';
import { Memory } from '../../engine/vm/index.ts';
import { BpfError, kernelBtf, kernelConfig, type LinuxObject, loadElfLinux } from '../../sensors/linux/index.ts';
import { clangSkip } from '../support/clang.ts';
import { suiteSize } from '../support/counts.ts';
import { kernelSkip } from '../support/kernel.ts';
import { corpusNames, corpusObject } from '../support/objects.ts';
import { verifyProgram } from '../support/simulated-object.ts';

/** Sections whose programs hang on a trampoline, which some kernels refuse to make. */
const TRAMPOLINE = /^(lsm|fentry|fexit)\//;

interface Row {
  readonly object: string;
  readonly program: string;
  readonly slots: number;
  /** Instructions that our verifier explored, and the kernel's; undefined where the kernel refuses the type. */
  readonly explored: number;
  readonly verified: number | undefined;
}

const table = (rows: readonly Row[]): string =>
  [
    'object               program            slots explored  kernel  ratio',
    ...rows.map(({ object, program, slots, explored, verified }) =>
      [
        object.padEnd(20),
        program.padEnd(18),
        `${slots}`.padStart(5),
        `${explored}`.padStart(8),
        `${verified ?? '-'}`.padStart(7),
        verified === undefined ? '' : (explored / verified).toFixed(2).padStart(6),
      ].join(' '),
    ),
  ].join('\n');

const mapsOf = (object: ElfObject): ReadonlyMap<string, BpfMap> => {
  const memory = new Memory(16 * 1024 * 1024);
  return new Map(object.maps.map((spec, index) => [spec.name, createMap(memory, spec, index + 1)]));
};

/** Loads an object; undefined where this kernel makes no trampolines, which it says with EPERM and without a log. */
function load(object: ElfObject): LinuxObject | undefined {
  try {
    return loadElfLinux(object);
  } catch (error) {
    const refused = error instanceof BpfError && error.errno === 'EPERM' && error.log === '';
    if (refused && object.programs.every(({ hook }) => TRAMPOLINE.test(hook))) return undefined;
    throw error;
  }
}

/** Objects that need instructions of v4: signed division. */
const NEEDS_V4: ReadonlySet<string> = new Set(['alu32']);

/** Each object, and outside of the quick suite also for machines without the newest instructions. */
const cases = corpusNames.flatMap((name): (readonly [string, 'v3' | 'v4'])[] =>
  suiteSize === 'quick' || NEEDS_V4.has(name)
    ? [[name, 'v4']]
    : [
        [name, 'v4'],
        [name, 'v3'],
      ],
);

const skip = clangSkip() ?? kernelSkip();

describe.skipIf(skip)(`objects in the running kernel${skip ? ` (skipped: ${skip})` : ''}`, () => {
  const rows: Row[] = [];
  afterAll(() => console.log(table(rows)));

  it.for(cases)(
    '%s (%s) is loaded from the same bytes, and explored at most twice as far by ours',
    ([name, cpu], context) => {
      const object = withKconfig(corpusObject(name, { cpu }).object, kernelConfig());
      const maps = mapsOf(object);
      const loaded = load(object);
      for (const program of object.programs) {
        const { explored } = verifyProgram(object, program, maps, kernelBtf());
        const verified = loaded?.programs.get(program.name)?.verified;
        if (cpu === 'v4')
          rows.push({ object: name, program: program.name, slots: program.instructions.length, explored, verified });
        if (loaded) expect(explored).toBeLessThanOrEqual(2 * verified!);
      }
      loaded?.close();
      context.skip(loaded === undefined, 'this kernel refuses LSM and fentry programs (EPERM)');
    },
  );
});
