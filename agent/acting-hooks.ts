import type { Compiled } from '../rules/index.ts';

/** Whether something is done at a hook, of a plan. */
const actsAt = ({ plan }: Compiled, hook: string): boolean =>
  plan.hooks.some(
    (each) => each.hook === hook && each.events.some(({ rules }) => rules.some(({ certain }) => certain !== undefined)),
  );

/** The hooks at which rules deny or kill. */
export const actingHooks = (compiled: Compiled): readonly string[] =>
  compiled.layouts.map(({ hook }) => hook).filter((hook) => actsAt(compiled, hook));

/** Bits of `CONFIG.unproven`, or of `CONFIG.tried`: hooks by the indices of their layouts. */
export const hookBits = ({ layouts }: Compiled, wanted: (hook: string) => boolean): number =>
  layouts.reduce((bits, { hook, index }) => (wanted(hook) ? bits | (1 << index) : bits), 0) >>> 0;

/** Hooks whose verdicts are not carried out, as the configuration has them. */
export const unprovenBits = (compiled: Compiled, proven: ReadonlySet<string> | undefined): number =>
  proven === undefined ? 0 : hookBits(compiled, (hook) => actsAt(compiled, hook) && !proven.has(hook));
