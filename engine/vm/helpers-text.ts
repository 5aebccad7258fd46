import { EINVAL } from '../maps/index.ts';
import { formatTrace } from './format.ts';
import type { Helper } from './helper.ts';
import { argument, pointer, size } from './helper-arguments.ts';

/** Text (kernel/trace/bpf_trace.c, kernel/bpf/helpers.c). */
export const textHelpers: readonly Helper[] = [
  {
    name: 'bpf_trace_printk',
    id: 6,
    arguments: ['memory', 'size', 'anything', 'anything', 'anything'],
    returns: 'scalar',
    programTypes: 'all',
    run: (environment, registers) => {
      const length = size('bpf_trace_printk', registers, 2);
      const offset = pointer('bpf_trace_printk', environment, registers, 1, length);
      const format = environment.memory.bytes.subarray(offset, offset + length);
      const text = formatTrace(
        environment,
        format,
        [3, 4, 5].map((n) => argument(registers, n)),
      );
      if (text === undefined) return BigInt(-EINVAL);
      environment.trace(text);
      return BigInt(text.length);
    },
  },
  {
    name: 'bpf_strncmp',
    id: 182,
    arguments: ['memory', 'size', 'constant_string'],
    returns: 'scalar',
    programTypes: 'all',
    run: (environment, registers) => {
      const length = size('bpf_strncmp', registers, 2);
      const { bytes } = environment.memory;
      const a = pointer('bpf_strncmp', environment, registers, 1, length);
      const b = pointer('bpf_strncmp', environment, registers, 3, 1);
      for (let i = 0; i < length; i++) {
        const left = bytes[a + i] as number;
        const right = bytes[b + i] as number;
        if (left !== right) return left < right ? -1n : 1n;
        if (left === 0) break;
      }
      return 0n;
    },
  },
];
