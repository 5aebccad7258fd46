import { E2BIG, EINVAL, EOPNOTSUPP, type ProgArray } from '../maps/index.ts';
import type { Helper } from './helper.ts';
import { argument, mapWith, pointer, row, u32 } from './helper-arguments.ts';

/** BPF_MAX_LOOPS of include/linux/bpf.h. */
const MAX_LOOPS = 8 * 1024 * 1024;

const timer = (id: number, name: string, more: readonly Helper['arguments'][number][], callback?: Helper['callback']) =>
  row(id, name, ['timer', ...more], 'scalar', 'all', () => -EOPNOTSUPP, {
    gplOnly: true,
    ...(callback && { callback }),
  });

/** Calls of functions, other programs and later times (kernel/bpf/helpers.c, kernel/bpf/bpf_iter.c, kernel/bpf/core.c). */
export const controlHelpers: readonly Helper[] = [
  row(
    12,
    'tail_call',
    ['context', 'map', 'anything'],
    'scalar',
    'all',
    (environment, registers, machine) => {
      const index = u32(registers, 3);
      const second = registers.slice(1);
      const program = mapWith<ProgArray>('bpf_tail_call', environment, second, 'programAt').programAt(index);
      if (program !== undefined && environment.program?.(program)) machine.tailCall(program);
      return 0;
    },
    { mapTypes: ['prog_array'] },
  ),
  row(
    181,
    'loop',
    ['anything', 'callback', 'callback_context', 'anything'],
    'scalar',
    'all',
    (_, registers, machine) => {
      const rounds = u32(registers, 1);
      const [code, context, flags] = [2, 3, 4].map((n) => argument(registers, n)) as [bigint, bigint, bigint];
      if (flags !== 0n) return -EINVAL;
      if (rounds > MAX_LOOPS) return -E2BIG;
      for (let round = 0; round < rounds; round++)
        if (machine.call(code, BigInt(round), context, 0n, 0n) !== 0n) return round + 1;
      return rounds;
    },
    { callback: { arguments: ['scalar', 'callback_context'], returns: { min: 0, max: 1 }, times: 'any' } },
  ),
  row(93, 'spin_lock', ['spin_lock'], 'void', 'all', () => 0),
  row(94, 'spin_unlock', ['spin_lock'], 'void', 'all', () => 0),
  timer(169, 'timer_init', ['map', 'anything']),
  timer(170, 'timer_set_callback', ['callback'], {
    arguments: ['map', 'map_key', 'map_value'],
    returns: { min: 0, max: 0 },
    times: 'later',
  }),
  timer(171, 'timer_start', ['anything', 'anything']),
  timer(172, 'timer_cancel', []),
  row(194, 'kptr_xchg', ['kptr', 'kptr_value'], 'kptr_or_null', 'all', (environment, registers) => {
    const place = pointer('bpf_kptr_xchg', environment, registers, 1, 8);
    const { view } = environment.memory;
    const before = view.getBigUint64(place, true);
    view.setBigUint64(place, argument(registers, 2), true);
    return before;
  }),
  row(153, 'per_cpu_ptr', ['per_cpu_variable', 'anything'], 'per_cpu_or_null', 'all', (_, registers) =>
    u32(registers, 2) === 0 ? argument(registers, 1) : 0,
  ),
  row(154, 'this_cpu_ptr', ['per_cpu_variable'], 'per_cpu', 'all', (_, registers) => argument(registers, 1)),
];
