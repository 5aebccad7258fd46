import type { MapSpec } from '../engine/object/index.ts';
import { BpfError, type Kernel, type KernelMap } from '../sensors/index.ts';

/** Below this a ring buffer holds too few records to be of use. */
const SMALLEST_BYTES = 64 * 1024;

const inKib = (bytes: number): string => `${bytes / 1024} KiB`;

/**
 * A ring buffer of the size asked for or, where the kernel has no memory for that, of a half, a quarter and so on, with a warning.
 * @throws BpfError where there is none for 64 KiB either
 */
export const createRing = (kernel: Kernel, spec: MapSpec, warn: (sentence: string) => void = () => {}): KernelMap => {
  for (let bytes = spec.maxEntries; ; bytes /= 2) {
    try {
      const map = kernel.createMap({ ...spec, maxEntries: bytes });
      if (bytes < spec.maxEntries)
        warn(
          `there is no memory for the ring buffer "${spec.name}" of ${inKib(spec.maxEntries)}: it has ${inKib(bytes)}, so that more is lost when many events come at once; raise the memory limit of the agent's cgroup (MemoryMax= of a systemd unit)`,
        );
      return map;
    } catch (error) {
      if (!(error instanceof BpfError && error.errno === 'ENOMEM') || bytes / 2 < SMALLEST_BYTES) throw error;
    }
  }
};
