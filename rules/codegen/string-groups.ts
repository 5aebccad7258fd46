import { type HookPlan, IO_URING_HOOK, type StringTest, testKey } from '../plan/index.ts';
import type { StringGroup } from './context.ts';
import { placeTests } from './rows.ts';
import type { Tables } from './tables.ts';

/** The string predicates of a hook: which automata decide them, and which no automaton could take. */
export interface GroupedStrings {
  readonly groups: readonly StringGroup[];
  readonly refused: ReadonlySet<number>;
}

/** Hooks whose string tests are mostly the same, so that they share automata. */
const SHARING: ReadonlySet<string> = new Set(['tp_btf/sys_exit', IO_URING_HOOK]);

type Part = StringGroup['part'];

/** A hook's predicates of one string slot and part, by what they test. */
const testsOf = (hook: HookPlan, of: StringGroup['of'], part: Part): ReadonlyMap<string, [StringTest, number]> => {
  const tests = new Map<string, [StringTest, number]>();
  for (const [index, { kernel }] of hook.predicates.entries())
    if (kernel.place === 'string' && kernel.of === of && kernel.part === part)
      tests.set(testKey(kernel.test), [kernel.test, index]);
  return tests;
};

/** Builds the automata of hooks' string predicates, in the order of the hooks. */
export const groupStrings = (hooks: readonly HookPlan[], tables: Tables): readonly GroupedStrings[] => {
  const grouped = hooks.map(() => ({ groups: [] as StringGroup[], refused: new Set<number>() }));
  const place = (indices: readonly number[], of: StringGroup['of'], part: Part): void => {
    const own = indices.map((index) => testsOf(hooks[index] as HookPlan, of, part));
    const union = new Map(own.flatMap((tests) => [...tests].map(([key, [test]]) => [key, test] as const)));
    const { placed, refused } = placeTests(tables, [...union.values()], {});
    for (const [position, index] of indices.entries()) {
      const into = grouped[index];
      const numberOf = (test: StringTest): number | undefined => own[position]?.get(testKey(test))?.[1];
      for (const { placed: automaton, tests } of placed) {
        const predicates = tests.map(numberOf);
        if (predicates.some((each) => each !== undefined))
          into?.groups.push({ of, part, placed: automaton, predicates });
      }
      for (const test of refused) {
        const predicate = numberOf(test);
        if (predicate !== undefined) into?.refused.add(predicate);
      }
    }
  };
  const sharing = [...hooks.keys()].filter((index) => SHARING.has(hooks[index]?.hook ?? ''));
  const alone = [...hooks.keys()].filter((index) => !sharing.includes(index));
  for (const of of ['file', 'path', 'path2', 'base', 'text', 'cwd'] as const)
    for (const part of ['whole', 'directory', 'filename', 'raw'] as const)
      for (const indices of [...alone.map((index) => [index]), sharing]) place(indices, of, part);
  return grouped;
};
