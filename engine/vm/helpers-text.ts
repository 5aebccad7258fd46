import { EINVAL, EOPNOTSUPP, EOVERFLOW, ERANGE } from '../maps/index.ts';
import { ATTACH_TYPES } from '../object/index.ts';
import type { VmEnvironment } from './environment.ts';
import { formatText, MAX_ARGUMENTS } from './format.ts';
import type { Helper } from './helper.ts';
import { argument, bytesArgument, pointer, row, size } from './helper-arguments.ts';
import { parseNumber } from './numbers.ts';

const GPL = { gplOnly: true } as const;
const ITERATORS = { ...GPL, attachTypes: { tracing: [ATTACH_TYPES.trace_iter] } } as const;
const SEQ_FILE = { struct: 'seq_file' } as const;

/** Arguments as bpf_trace_vprintk and its kin take them: an array of 64-bit numbers in r`n`, its bytes in the register after. */
function packed(
  helper: string,
  environment: VmEnvironment,
  registers: BigUint64Array,
  n: number,
): bigint[] | undefined {
  const length = size(helper, registers, n + 1);
  if (length % 8 !== 0 || length > MAX_ARGUMENTS * 8) return undefined;
  if (length > 0 && argument(registers, n) === 0n) return undefined;
  const from = length === 0 ? 0 : pointer(helper, environment, registers, n, length);
  return Array.from({ length: length / 8 }, (_, i) => environment.memory.view.getBigUint64(from + 8 * i, true));
}

/** The text of the format in r`n`, whose size is in the register after; undefined for what the kernel answers with -EINVAL. */
function formatted(
  helper: string,
  environment: VmEnvironment,
  registers: BigUint64Array,
  n: number,
  args: readonly bigint[] | undefined,
): Uint8Array | undefined {
  const format = bytesArgument(helper, environment, registers, n, size(helper, registers, n + 1));
  return args && formatText(environment, format, args);
}

const number = (id: number, name: 'strtol' | 'strtoul'): Helper =>
  row(
    id,
    name,
    ['memory', 'size', 'anything', { memory: 8, access: 'out' }],
    'scalar',
    'all',
    (environment, registers) => {
      const text = bytesArgument(`bpf_${name}`, environment, registers, 1, size(`bpf_${name}`, registers, 2));
      const result = pointer(`bpf_${name}`, environment, registers, 4, 8);
      const { view } = environment.memory;
      const flags = argument(registers, 3);
      const base = Number(flags & 31n);
      const parsed = flags > 31n || ![0, 8, 10, 16].includes(base) ? 'invalid' : parseNumber(text, base);
      view.setBigUint64(result, 0n, true);
      if (parsed === 'invalid') return -EINVAL;
      if (parsed === 'overflow') return -ERANGE;
      const { value, negative, bytes } = parsed;
      if (name === 'strtoul') {
        if (negative) return -EINVAL;
      } else if (value > (negative ? 2n ** 63n : 2n ** 63n - 1n)) return -ERANGE;
      view.setBigUint64(result, BigInt.asUintN(64, negative ? -value : value), true);
      return bytes;
    },
  );

/** Text (kernel/trace/bpf_trace.c, kernel/bpf/helpers.c). */
export const textHelpers: readonly Helper[] = [
  row(
    6,
    'trace_printk',
    // What the format takes from r3 to r5 is not looked at by the verifier.
    ['memory', 'size'],
    'scalar',
    'all',
    (environment, registers) => {
      const args = [3, 4, 5].map((n) => argument(registers, n));
      const text = formatted('bpf_trace_printk', environment, registers, 1, args);
      if (text === undefined) return -EINVAL;
      environment.trace(new TextDecoder('latin1').decode(text));
      return text.length;
    },
    GPL,
  ),
  number(105, 'strtol'),
  number(106, 'strtoul'),
  row(
    126,
    'seq_printf',
    [SEQ_FILE, 'memory', 'size', 'memory_or_null', 'size_or_zero'],
    'scalar',
    ['tracing'],
    (environment, registers) => {
      const args = packed('bpf_seq_printf', environment, registers, 4);
      const text = formatted('bpf_seq_printf', environment, registers, 2, args);
      return text === undefined ? -EINVAL : (environment.sequence?.(text) ?? -EOVERFLOW);
    },
    ITERATORS,
  ),
  row(
    127,
    'seq_write',
    [SEQ_FILE, 'memory', 'size_or_zero'],
    'scalar',
    ['tracing'],
    (environment, registers) => {
      const data = bytesArgument('bpf_seq_write', environment, registers, 2, size('bpf_seq_write', registers, 3));
      return environment.sequence?.(data.slice()) ?? -EOVERFLOW;
    },
    ITERATORS,
  ),
  row(149, 'snprintf_btf', ['memory_out', 'size', 'memory', 'size', 'anything'], 'scalar', 'all', () => -EOPNOTSUPP),
  row(
    150,
    'seq_printf_btf',
    [SEQ_FILE, 'memory', 'size_or_zero', 'anything'],
    'scalar',
    ['tracing'],
    () => -EOPNOTSUPP,
    ITERATORS,
  ),
  row(
    165,
    'snprintf',
    ['memory_out_or_null', 'size_or_zero', 'constant_string', 'memory_or_null', 'size_or_zero'],
    'scalar',
    'all',
    (environment, registers) => {
      const { bytes } = environment.memory;
      const room = size('bpf_snprintf', registers, 2);
      const args = packed('bpf_snprintf', environment, registers, 4);
      const format = pointer('bpf_snprintf', environment, registers, 3, 1);
      const text = args && formatText(environment, bytes.subarray(format, bytes.indexOf(0, format) + 1), args);
      if (text === undefined) return -EINVAL;
      if (room > 0) {
        const to = pointer('bpf_snprintf', environment, registers, 1, room);
        const fits = text.subarray(0, room - 1);
        bytes.set(fits, to);
        bytes[to + fits.length] = 0;
      }
      return text.length + 1;
    },
    GPL,
  ),
  row(
    177,
    'trace_vprintk',
    ['memory', 'size', 'memory_or_null', 'size_or_zero'],
    'scalar',
    'all',
    (environment, registers) => {
      const args = packed('bpf_trace_vprintk', environment, registers, 3);
      const text = formatted('bpf_trace_vprintk', environment, registers, 1, args);
      if (text === undefined) return -EINVAL;
      environment.trace(new TextDecoder('latin1').decode(text));
      return text.length;
    },
    GPL,
  ),
  row(182, 'strncmp', ['memory', 'size', 'constant_string'], 'scalar', 'all', (environment, registers) => {
    const length = size('bpf_strncmp', registers, 2);
    const { bytes } = environment.memory;
    const a = pointer('bpf_strncmp', environment, registers, 1, length);
    const b = pointer('bpf_strncmp', environment, registers, 3, 1);
    for (let i = 0; i < length; i++) {
      const left = bytes[a + i] as number;
      const right = bytes[b + i] as number;
      if (left !== right) return left < right ? -1 : 1;
      if (left === 0) break;
    }
    return 0;
  }),
];
