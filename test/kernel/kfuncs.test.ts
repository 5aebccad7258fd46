import { describe, expect, it } from 'vitest';
import type { Item } from '../../engine/isa/index.ts';
import { KFUNCS, mayCall } from '../../engine/vm/index.ts';
import { btfIdOf } from '../../sensors/linux/index.ts';
import { kernelSkip } from '../support/kernel.ts';
import { isOlderKernel, KINDS, type Kind, logOf } from './kinds.ts';

/** BPF_PSEUDO_KFUNC_CALL. */
const callOf = (id: number): Item => ({
  kind: 'instruction',
  slots: [{ opcode: 0x85, dst: 0, src: 2, offset: 0, imm: id }],
});
const kernelMayCall = (kind: Kind, name: string): boolean =>
  !/is not allowed|cannot find|calling invalid|not supported/.test(logOf(kind, callOf(btfIdOf('func', name)!)));

describe.skipIf(kernelSkip() || isOlderKernel())(
  'who may call a kernel function is what the running kernel says',
  () => {
    it('the running kernel has them all', () => {
      expect(KFUNCS.map(({ name }) => name).filter((name) => btfIdOf('func', name) === undefined)).toEqual([]);
    });

    it.each(Object.entries(KINDS))('%s', (_, kind) => {
      const ours = KFUNCS.filter((kfunc) => mayCall(kfunc, kind)).map(({ name }) => name);
      const kernels = KFUNCS.map(({ name }) => name).filter((name) => kernelMayCall(kind, name));
      expect(ours).toEqual(kernels);
    });
  },
);
