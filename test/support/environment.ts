import type { BpfMap } from '../../engine/maps/index.ts';
import { Memory, type VmEnvironment } from '../../engine/vm/index.ts';

/** A kernel's side of a machine for tests: 1 MiB of memory, the maps given, and constants for the rest; `overrides` replace members. */
export function testEnvironment(overrides: Partial<VmEnvironment> = {}, maps: readonly BpfMap[] = []): VmEnvironment {
  return {
    memory: new Memory(1024 * 1024),
    map: (handle) => maps.find((map) => map.handle === handle),
    bootNs: () => 1_000_000_000n,
    currentTask: () => 0n,
    currentPidTgid: () => (100n << 32n) | 101n,
    currentUidGid: () => (1000n << 32n) | 1001n,
    currentComm: () => new TextEncoder().encode('test'),
    currentCgroupId: () => 1n,
    currentAncestorCgroupId: () => 0n,
    readUser: () => undefined,
    sendSignal: () => 0,
    random: () => 4,
    trace: () => {},
    ...overrides,
  };
}
