import { dispatchProgram, GENERATION_MAP, generationPlace, HOOK_PROGRAMS_MAP } from '../rules/index.ts';
import type { Kernel, KernelMap, Link, LoadedProgram } from '../sensors/index.ts';

/** Which of several loaded objects' programs run: those of one generation, at every hook. */
export interface Dispatcher {
  /** Puts a program at its hook, for a generation: it runs while that is the active one. @throws Error, and nothing is changed */
  stage(generation: number, program: LoadedProgram): void;
  /** One write: every event whose programs begin later is that generation's, every earlier one the generation's before. */
  activate(generation: number): void;
  /** Takes a generation's programs away, and leaves hooks that no other has programs for. */
  retire(generation: number): void;
  /** Leaves all hooks. */
  close(): void;
}

/** What is attached to one hook. */
interface Post {
  readonly programs: KernelMap;
  readonly dispatch: LoadedProgram;
  readonly link: Link;
  readonly generations: Set<number>;
}

const word = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** @param cgroup that programs for cgroups are attached to: the observed one. */
export const createDispatcher = (kernel: Kernel, cgroup: string): Dispatcher => {
  const cell = kernel.createMap(GENERATION_MAP);
  const posts = new Map<string, Post>();
  const put = (programs: KernelMap, generation: number, program: LoadedProgram): void => {
    const result = programs.update(word(generationPlace(generation)), word(program.handle));
    if (result !== 0) throw new Error(`program ${program.name} can't be put at ${program.hook}: errno ${-result}`);
  };
  const open = (generation: number, program: LoadedProgram): Post => {
    const programs = kernel.createMap(HOOK_PROGRAMS_MAP);
    const loaded: LoadedProgram[] = [];
    try {
      const maps = new Map([
        [cell.spec.name, cell],
        [programs.spec.name, programs],
      ]);
      const dispatch = kernel.loadProgram(dispatchProgram(program.hook), maps);
      loaded.push(dispatch);
      put(programs, generation, program);
      return { programs, dispatch, link: kernel.attach(dispatch, { cgroup }), generations: new Set([generation]) };
    } catch (error) {
      kernel.release({ maps: [programs], programs: loaded });
      throw error;
    }
  };
  const close = (hook: string, { programs, dispatch, link }: Post): void => {
    kernel.detach(link);
    kernel.release({ maps: [programs], programs: [dispatch] });
    posts.delete(hook);
  };
  return {
    stage: (generation, program) => {
      const post = posts.get(program.hook);
      if (post === undefined) {
        posts.set(program.hook, open(generation, program));
        return;
      }
      put(post.programs, generation, program);
      post.generations.add(generation);
    },
    activate: (generation) => {
      const value = new Uint8Array(BigUint64Array.of(BigInt(generation)).buffer);
      const result = cell.update(word(0), value);
      if (result !== 0) throw new Error(`the generation can't be changed: errno ${-result}`);
    },
    retire: (generation) => {
      for (const [hook, post] of [...posts]) {
        if (!post.generations.delete(generation)) continue;
        if (post.generations.size === 0) close(hook, post);
        else post.programs.delete(word(generationPlace(generation)));
      }
    },
    close: () => {
      for (const [hook, post] of [...posts]) close(hook, post);
      kernel.release({ maps: [cell], programs: [] });
    },
  };
};
