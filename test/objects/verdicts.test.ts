import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type BpfMap, createMap } from '../../engine/maps/index.ts';
import { type ElfObject, readElf } from '../../engine/object/index.ts';
import { VerifierError } from '../../engine/verifier/index.ts';
import { Memory } from '../../engine/vm/index.ts';
import { BpfError, kernelBtf, loadElfLinux } from '../../sensors/linux/index.ts';
import { clangSkip, compileC } from '../support/clang.ts';
import { kernelSkip } from '../support/kernel.ts';
import { testKernelBtf } from '../support/objects.ts';
import { verifyProgram } from '../support/simulated-object.ts';

/** What a verifier must refuse, as the running kernel does; it takes all the others. */
const REFUSED: ReadonlySet<string> = new Set([
  'callback_returns_2',
  'cgroup_skb_returns_2',
  'connect4_writes_ip6',
  'context_variable_offset',
  'fexit_return_nonzero',
  'hash_loop',
  'infinite_loop',
  'key_too_small',
  'loop_to_unknown_bound',
  'lpm_lookup',
  'many_ifs',
  'modulo_index',
  'out_of_bounds_by_one',
  'pointer_arithmetic_on_maybe_null',
  'raw_tp_pointer_not_dereferenced',
  'ringbuf_leak',
  'ringbuf_use_after_submit',
  'skb_data_in_socket_filter',
  'skb_field_not_allowed',
  'to_upper',
  'too_deep_calls',
  'variable_stack_write_then_key',
  'write_to_task',
  'xdp_stale_pointer',
]);

const skip = clangSkip();
const withKernel = kernelSkip() === undefined;

const objectOf = (name: string): ElfObject =>
  readElf(compileC(fileURLToPath(new URL(`verdicts/${name}.c`, import.meta.url))), `${name}.o`);

function mapsOf(object: ElfObject): ReadonlyMap<string, BpfMap> {
  const memory = new Memory(4 * 1024 * 1024);
  return new Map(object.maps.map((spec, index) => [spec.name, createMap(memory, spec, index + 1)]));
}

/** What a verifier explored, or `refused`. */
function verdict(verify: () => number): number | 'refused' {
  try {
    return verify();
  } catch (error) {
    if (error instanceof VerifierError || error instanceof BpfError) return 'refused';
    throw error;
  }
}

describe.skipIf(skip)(`small programs get the kernel's verdict${skip ? ` (skipped: ${skip})` : ''}`, () => {
  const objects = skip ? [] : ['values', 'hooks'].map(objectOf);
  const cases = objects.flatMap((object) => {
    const maps = mapsOf(object);
    return object.programs.map((program) => ({ name: program.name, program, object, maps }));
  });

  it('there are as many as are listed', () => {
    expect([...REFUSED].filter((name) => !cases.some((one) => one.name === name))).toEqual([]);
  });

  it.each(cases)('$name', ({ name, program, object, maps }) => {
    const btf = withKernel ? kernelBtf() : testKernelBtf();
    const ours = verdict(() => verifyProgram(object, program, maps, btf).explored);
    expect(ours === 'refused').toBe(REFUSED.has(name));
    if (!withKernel) return;
    const kernel = verdict(() => {
      const loaded = loadElfLinux(object, { programs: [name], log: 'none' });
      const { verified } = loaded.programs.get(name)!;
      loaded.close();
      return verified;
    });
    expect(kernel === 'refused').toBe(REFUSED.has(name));
    if (typeof ours === 'number' && typeof kernel === 'number') expect(ours).toBeLessThanOrEqual(2 * kernel);
  });
});
