import { describe, expect, it } from 'vitest';
import { createRing } from '../../agent/rings.ts';
import type { MapSpec } from '../../engine/object/index.ts';
import { BpfError, createSimHost, type Kernel } from '../../sensors/index.ts';

const SPEC: MapSpec = { name: 'events', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4 * 1024 * 1024 };

/** A kernel that has so many bytes for a ring buffer and refuses larger ones with an errno. */
const kernelWith = (bytes: number, errno = 12): Kernel => {
  const { kernel } = createSimHost({ memory: 32 * 1024 * 1024 });
  return {
    ...kernel,
    createMap(spec) {
      if (spec.maxEntries > bytes) throw new BpfError('BPF_MAP_CREATE', errno, `map "${spec.name}" (${spec.type})`);
      return kernel.createMap(spec);
    },
  };
};

/** Bytes of the ring buffer that was made, and what was warned of. */
const ring = (kernel: Kernel) => {
  const warnings: string[] = [];
  const map = createRing(kernel, SPEC, (sentence) => warnings.push(sentence));
  return { bytes: map.spec.maxEntries, warnings };
};

describe('a ring buffer', () => {
  it('has the size asked for where there is memory', () => {
    expect(ring(kernelWith(SPEC.maxEntries))).toEqual({ bytes: SPEC.maxEntries, warnings: [] });
  });

  it('is smaller where there is not, and that is said', () => {
    expect(ring(kernelWith(600 * 1024))).toEqual({
      bytes: 512 * 1024,
      warnings: [
        'there is no memory for the ring buffer "events" of 4096 KiB: it has 512 KiB, so that more is lost when many events come at once; ' +
          "raise the memory limit of the agent's cgroup (MemoryMax= of a systemd unit)",
      ],
    });
  });

  it('is not made where there is none for 64 KiB', () => {
    expect(ring(kernelWith(64 * 1024)).bytes).toBe(64 * 1024);
    expect(() => ring(kernelWith(60 * 1024))).toThrow(
      'map "events" (ringbuf): BPF_MAP_CREATE failed with ENOMEM (the kernel has no memory for it; make it smaller (ring buffers by --ring-size), or raise the memory limit of the cgroup that this process runs in)',
    );
  });

  it('is not tried again where something else is wrong', () => {
    expect(() => ring(kernelWith(1024, 22))).toThrow(
      'map "events" (ringbuf): BPF_MAP_CREATE failed with EINVAL (the map type, its sizes or its flags are not what this kernel takes)',
    );
  });
});
