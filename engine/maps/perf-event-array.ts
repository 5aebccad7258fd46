import type { MapSpec } from '../object/index.ts';
import { E2BIG, EBADF, EINVAL, ENOENT, ENOSPC, EOPNOTSUPP } from './errno.ts';
import type { MapHost, PerfEventArray } from './map.ts';
import type { MapMemory } from './map-memory.ts';
import { createSlotArray } from './slot-array.ts';

const BPF_F_CURRENT_CPU = 0xffff_ffff;
/** Records that wait for a reader, over all slots. */
const MOST_RECORDS = 65_536;

/**
 * A map of perf events, to which programs write records (kernel/bpf/arraymap.c, bpf_perf_event_output of kernel/trace/bpf_trace.c). There
 * are no perf events in a machine, so user space opens slots instead of writing descriptors (-EBADF), each for the CPU of its number.
 */
export function createPerfEventArray(memory: MapMemory, spec: MapSpec, handle: number, host?: MapHost): PerfEventArray {
  const { slot, set, ...map } = createSlotArray<{ readonly cpu: number }>(memory, spec, handle, { get: () => -EBADF });
  let records: { readonly index: number; readonly bytes: Uint8Array }[] = [];
  let lost = 0;

  return {
    ...map,
    open(index) {
      if (index >= spec.maxEntries) return -E2BIG;
      set(index, { cpu: index });
      return 0;
    },
    outputAt(dataOffset, size, flags) {
      const cpu = host?.currentCpu?.() ?? 0;
      if (flags < 0 || flags > BPF_F_CURRENT_CPU) return -EINVAL;
      const index = flags === BPF_F_CURRENT_CPU ? cpu : flags;
      if (index >= spec.maxEntries) return -E2BIG;
      const event = slot(index);
      if (event === undefined) return -ENOENT;
      if (event.cpu !== cpu) return -EOPNOTSUPP;
      if (records.length === MOST_RECORDS) {
        lost++;
        return -ENOSPC;
      }
      records.push({ index, bytes: memory.bytes.slice(dataOffset, dataOffset + size) });
      return 0;
    },
    consume(each) {
      const waiting = records;
      records = [];
      for (const { bytes, index } of waiting) each(bytes, index);
      return waiting.length;
    },
    get lost() {
      return lost;
    },
  };
}
