import type { Kfunc } from './kfunc.ts';
import { iteratorKfuncs } from './kfuncs-iterators.ts';
import { kernelKfuncs } from './kfuncs-kernel.ts';
import { textKfuncs } from './kfuncs-text.ts';

/** The kernel functions there are, by name. */
export const KFUNCS: readonly Kfunc[] = [...iteratorKfuncs, ...textKfuncs, ...kernelKfuncs];

const byId = new Map(KFUNCS.map((kfunc) => [kfunc.id, kfunc]));
const byName = new Map(KFUNCS.map((kfunc) => [kfunc.name, kfunc]));

/** The kernel function with a number of this machine's own, for kernels without BTF. */
export const kfuncById = (id: number): Kfunc | undefined => byId.get(id);

/** The kernel function of that name, `bpf_iter_num_new`. */
export const kfuncByName = (name: string): Kfunc | undefined => byName.get(name);
