import { BPF_F_RDONLY_PROG, type MapSpec } from '../object/index.ts';
import { constant, type Scalar } from './scalar.ts';

/** Maps whose contents loaders freeze before programs are loaded, as libbpf does with what the compiler put there. */
const FROZEN = /^\.(rodata|kconfig)/;

/**
 * The number of `size` bytes in the one value of a map that never changes again, undefined where it may (bpf_map_direct_read of
 * kernel/bpf/verifier.c).
 */
export function frozenNumber(spec: MapSpec, offset: number, size: number, signed: boolean): Scalar | undefined {
  const { name, type, maxEntries, flags = 0, contents } = spec;
  if (type !== 'array' || maxEntries !== 1 || (flags & BPF_F_RDONLY_PROG) === 0 || !FROZEN.test(name)) return undefined;
  const bytes = contents?.[0]?.[1];
  if (!bytes || offset + size > bytes.length) return undefined;
  let value = 0n;
  for (let n = size - 1; n >= 0; n--) value = (value << 8n) | BigInt(bytes[offset + n]!);
  return constant(signed ? BigInt.asIntN(8 * size, value) : value);
}
