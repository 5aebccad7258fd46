import { HOOKS, type HookName } from '../../../engine/object/index.ts';
import type { Memory } from '../../../engine/vm/index.ts';
import { writePointer } from './kernel-object.ts';
import type { SimLink } from './programs.ts';

/** A place programs are attached to, with the context they get: one slot of 8 bytes an argument, written anew for each run. */
export class HookPoint {
  readonly name: HookName;
  /** In attach order. */
  readonly links: SimLink[] = [];
  /** Recorded calls: what LSM programs return has no effect. */
  ignoresReturn = false;
  /** A program's negative result ended a run; whoever makes calls clears it. */
  refused = false;
  readonly #memory: Memory;
  readonly #context: number;

  constructor(memory: Memory, name: HookName) {
    this.name = name;
    this.#memory = memory;
    this.#context = memory.allocate(HOOKS[name].arguments.length * 8);
  }

  /** Whether there is anything to run. */
  get active(): boolean {
    return this.links.length > 0;
  }

  /** Makes an argument the address of what lies at an offset in memory. */
  setPointer(index: number, offset: number): void {
    writePointer(this.#memory, this.#context + index * 8, offset);
  }

  /** Makes an argument a signed number that a number holds exactly. */
  setNumber(index: number, value: number): void {
    const { view } = this.#memory;
    view.setInt32(this.#context + index * 8, value | 0, true);
    view.setInt32(this.#context + index * 8 + 4, Math.floor(value / 0x1_0000_0000), true);
  }

  /** Runs the attached programs; the first negative result ends the run and is returned, else 0 is. */
  run(): number {
    for (const link of this.links) {
      link.program.runs++;
      const result = link.program.runner.run(this.#context);
      if (result < 0 && !this.ignoresReturn) {
        this.refused = true;
        return result;
      }
    }
    return 0;
  }
}

/** Every hook of the simulated kernel. */
export type Hooks = { readonly [Name in HookName]: HookPoint };

export const createHooks = (memory: Memory): Hooks => {
  const hooks: Partial<Record<HookName, HookPoint>> = {};
  for (const name of Object.keys(HOOKS) as HookName[]) hooks[name] = new HookPoint(memory, name);
  return hooks as Hooks;
};
