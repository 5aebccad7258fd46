import type { HookPoint } from './hooks.ts';
import { writePointer } from './kernel-object.ts';
import type { Machine } from './machine.ts';
import { PT_REGS } from './structs.ts';

/** The kernel's functions that ask security modules (security/security.c), by the hook they ask. */
const FUNCTIONS = {
  file_open: 'security_file_open',
  bprm_check_security: 'security_bprm_check',
  socket_connect: 'security_socket_connect',
} as const;

/** An argument: the address of what lies at an offset in memory, or a number. */
export type SecurityArgument = { readonly at: number } | number;

const REGISTERS = [PT_REGS.di, PT_REGS.si, PT_REGS.dx] as const;

const fill = (point: HookPoint, args: readonly SecurityArgument[], result?: number): HookPoint => {
  for (const [index, argument] of args.entries()) {
    if (typeof argument === 'number') point.setNumber(index, argument);
    else point.setPointer(index, argument.at);
  }
  if (result !== undefined) point.setNumber(args.length, result);
  return point;
};

const runProbe = (machine: Machine, name: string, args: readonly SecurityArgument[]): void => {
  const probe = machine.hookPoints.attached(`kprobe/${name}`);
  if (!probe) return;
  const { memory } = machine;
  for (const [index, argument] of args.entries()) {
    const place = probe.context + (REGISTERS[index] ?? 0);
    if (typeof argument === 'number') memory.view.setBigInt64(place, BigInt(argument), true);
    else writePointer(memory, place, argument.at);
  }
  probe.run();
};

/** Asks LSM programs, by the function that does so, which programs may trace: 0 or a negative errno. */
export const askSecurity = (
  machine: Machine,
  name: keyof typeof FUNCTIONS,
  args: readonly SecurityArgument[],
): number => {
  const { hookPoints } = machine;
  const hook = machine.hooks[`lsm/${name}`];
  if (!hook.active && !hookPoints.hasOthers) return 0;
  const traced = FUNCTIONS[name];
  runProbe(machine, traced, args);
  const entry = hookPoints.attached(`fentry/${traced}`);
  if (entry) fill(entry, args).run();
  const verdict = hook.active ? fill(hook, args, 0).run() : 0;
  const exit = hookPoints.attached(`fexit/${traced}`);
  if (exit) fill(exit, args, verdict).run();
  return verdict;
};
