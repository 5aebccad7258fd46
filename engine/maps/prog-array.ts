import type { MapSpec } from '../object/index.ts';
import { EBADF } from './errno.ts';
import type { MapHost, ProgArray } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { createSlotArray } from './slot-array.ts';

/** A map of programs for bpf_tail_call (kernel/bpf/arraymap.c); file descriptors and ids are handles of loaded programs. */
export function createProgArray(memory: MapMemory, spec: MapSpec, handle: number, host?: MapHost): ProgArray {
  const {
    slot,
    set: _,
    ...map
  } = createSlotArray<{ readonly program: number }>(memory, spec, handle, {
    get: (program) => (host?.isProgram(program) ? { program } : -EBADF),
    id: ({ program }) => program,
  });
  return { ...map, programAt: (index) => slot(index)?.program };
}
