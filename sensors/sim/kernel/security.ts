import type { HookName } from '../../../engine/object/index.ts';
import { type HookPoint, SECURITY_FUNCTIONS } from './hooks.ts';
import { writePointer } from './kernel-object.ts';
import type { Machine } from './machine.ts';
import { PT_REGS } from './structs.ts';

/** A hook that security modules are asked at, by its name in include/linux/lsm_hook_defs.h. */
export type SecurityHook = HookName extends infer Name ? (Name extends `lsm/${infer Hook}` ? Hook : never) : never;

/** An argument: the address of what lies at an offset in memory, or a number. */
export type SecurityArgument = { readonly at: number } | number;

/** Where functions of the kernel get their arguments (the System V ABI for x86-64). */
const REGISTERS = [PT_REGS.di, PT_REGS.si, PT_REGS.dx, PT_REGS.cx, PT_REGS.r8] as const;

const fill = (point: HookPoint, args: readonly SecurityArgument[], result?: number): HookPoint => {
  for (const [index, argument] of args.entries()) {
    if (typeof argument === 'number') point.setNumber(index, argument);
    else point.setPointer(index, argument.at);
  }
  if (result !== undefined) point.setNumber(args.length, result);
  return point;
};

const runProbe = (machine: Machine, section: string, args: readonly SecurityArgument[]): void => {
  const probe = machine.hookPoints.attached(section);
  if (!probe) return;
  const { memory } = machine;
  for (const [index, argument] of args.entries()) {
    const place = probe.context + (REGISTERS[index] ?? 0);
    if (typeof argument === 'number') memory.view.setBigInt64(place, BigInt(argument), true);
    else writePointer(memory, place, argument.at);
  }
  probe.run();
};

/** Whether anything would run that is asked about a hook, so that arguments need not be made up for nobody. */
export const isAsked = (machine: Machine, name: SecurityHook): boolean =>
  machine.hookPoints.isSecured && (machine.hooks[`lsm/${name}`].active || machine.hookPoints.hasOthers);

/** Asks LSM programs, by the function that does so, which programs may trace: 0 or a negative errno. */
export const askSecurity = (machine: Machine, name: SecurityHook, args: readonly SecurityArgument[]): number => {
  const { hookPoints } = machine;
  if (!hookPoints.isSecured) return 0;
  const hook = machine.hooks[`lsm/${name}`];
  if (!hook.active && !hookPoints.hasOthers) return 0;
  const traced = SECURITY_FUNCTIONS.get(hook.name);
  if (traced === undefined || !hookPoints.hasOthers) return fill(hook, args, 0).run();
  runProbe(machine, traced.kprobe, args);
  const entry = hookPoints.attached(traced.fentry);
  if (entry) fill(entry, args).run();
  const verdict = hook.active ? fill(hook, args, 0).run() : 0;
  const exit = hookPoints.attached(traced.fexit);
  if (exit) fill(exit, args, verdict).run();
  return verdict;
};
