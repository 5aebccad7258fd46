import { describe } from 'vitest';
import type { Btf, ElfObject } from '../../engine/object/index.ts';
import type { VmEnvironment } from '../../engine/vm/index.ts';
import { clangSkip } from './clang.ts';
import { kernelSkip } from './kernel.ts';
import { loadKernel } from './kernel-object.ts';
import type { LoadedObject } from './loaded-object.ts';
import { corpusObject, testKernelBtf, withVariables } from './objects.ts';
import { loadSimulated, type SimulatedObject } from './simulated-object.ts';

/** Loads a program of test/objects with values for its variables, for one test. */
export type Load = (name: string, variables?: Readonly<Record<string, number | bigint>>) => LoadedObject;

/** Test runs in the kernel run on behalf of this process, so it is the simulated machine's current task too. */
function asThisProcess(object: SimulatedObject): SimulatedObject {
  object.surroundings.tgid = process.pid;
  object.surroundings.uid = process.getuid?.() ?? 0;
  return object;
}

const PLACES: readonly {
  readonly place: string;
  readonly skip: () => string | undefined;
  readonly load: (object: ElfObject) => LoadedObject;
}[] = [
  { place: 'interpreter', skip: clangSkip, load: (object) => asThisProcess(loadSimulated(object)) },
  { place: 'JIT', skip: clangSkip, load: (object) => asThisProcess(loadSimulated(object, { engine: 'jit' })) },
  { place: 'running kernel', skip: () => clangSkip() ?? kernelSkip(), load: loadKernel },
];

/** Runs the same tests in the simulated machine, by interpreter and JIT, and in the running kernel. */
export function inEachPlace(tests: (load: Load) => void): void {
  for (const { place, skip, load } of PLACES) {
    const reason = skip();
    describe.skipIf(reason)(`${place}${reason ? ` (skipped: ${reason})` : ''}`, () => {
      tests((name, variables = {}) => load(withVariables(corpusObject(name).object, variables)));
    });
  }
}

/** As `Load`, for tests that also prepare kernel structs, user memory and the current task. */
export type LoadSimulated = (
  name: string,
  variables?: Readonly<Record<string, number | bigint>>,
  environment?: Partial<VmEnvironment>,
  btf?: Btf,
) => SimulatedObject;

/** Runs the same tests in the simulated machine, by interpreter and JIT. */
export function inSimulation(tests: (load: LoadSimulated) => void): void {
  const reason = clangSkip();
  for (const engine of ['interpreter', 'jit'] as const)
    describe.skipIf(reason)(`${engine}${reason ? ` (skipped: ${reason})` : ''}`, () => {
      tests((name, variables = {}, environment = {}, btf = testKernelBtf()) =>
        loadSimulated(withVariables(corpusObject(name).object, variables), { engine, environment, btf }),
      );
    });
}
