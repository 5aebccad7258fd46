import { describe, expect, it, onTestFinished } from 'vitest';
import { createBtfBuilder } from '../../../engine/object/index.ts';
import { btfIdOf, kernelBtf, loadBtf } from '../../../sensors/linux/index.ts';
import { kernelSkip } from '../../support/kernel.ts';

const skip = kernelSkip();

describe.skipIf(skip)("the running kernel's BTF", () => {
  it('has the types that hooks attach to', () => {
    const id = btfIdOf('typedef', 'btf_trace_sys_exit');
    expect(kernelBtf().type(id ?? 0)).toMatchObject({ kind: 'typedef', name: 'btf_trace_sys_exit' });
    expect(btfIdOf('func', 'no_such_function')).toBeUndefined();
    expect(kernelBtf()).toBe(kernelBtf());
  });

  it('takes BTF of ours, and says what is wrong with broken BTF', () => {
    const builder = createBtfBuilder();
    builder.int('int', 4, true);
    const loaded = loadBtf(builder.bytes());
    onTestFinished(() => loaded.close());
    expect(loaded.fd).toBeGreaterThan(2);
    expect(() => loadBtf(new Uint8Array(32))).toThrow(
      'BTF: BPF_BTF_LOAD failed with EINVAL: Invalid magic (the BTF is broken)',
    );
  });
});
