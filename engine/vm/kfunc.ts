import type { Helper } from './helper.ts';
import { row } from './helper-arguments.ts';

/** A kernel function that programs call by its BTF id (BPF_PSEUDO_KFUNC_CALL), described as helpers are; `id` counts in this machine's own table. */
export type Kfunc = Helper;

/** A row of that table. What is no pointer is a C int, whose upper half comes back as zeros. */
export const kfunc = (...[id, name, args, returns, programTypes, run, more]: Parameters<typeof row>): Kfunc =>
  row(
    id,
    name,
    args,
    returns,
    programTypes,
    returns === 'scalar'
      ? (environment, registers, machine) => BigInt.asUintN(32, BigInt(run(environment, registers, machine)))
      : run,
    more,
  );
