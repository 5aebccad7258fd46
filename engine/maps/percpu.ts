import type { MapSpec, MapType } from '../object/index.ts';
import { align8 } from './align.ts';
import type { MapHost } from './map.ts';

const PER_CPU_TYPES: ReadonlySet<MapType> = new Set(['percpu_array', 'percpu_hash', 'lru_percpu_hash']);

/** Whether values of the type are one for every CPU. */
export const isPerCpu = (type: MapType): boolean => PER_CPU_TYPES.has(type);

/** How the values of a map lie: one after the other for each CPU, `stride` bytes apart. */
export interface ValueShape {
  readonly perCpu: boolean;
  /** 1 for types that are not per-CPU. */
  readonly cpus: number;
  readonly stride: number;
  /** Bytes in memory, for all CPUs. */
  readonly room: number;
  /** Bytes of a value as user space sees it. */
  readonly userBytes: number;
  /** Where the current CPU's value lies, from the first one's. */
  current(): number;
}

/** @param host tells how many CPUs there are, and which is the current one. */
export function valueShape({ type, valueSize }: MapSpec, host: MapHost | undefined): ValueShape {
  const perCpu = isPerCpu(type);
  const cpus = perCpu ? (host?.cpus ?? 1) : 1;
  const stride = align8(valueSize);
  const room = stride * cpus;
  const current = cpus === 1 ? () => 0 : () => (host?.currentCpu?.() ?? 0) * stride;
  return { perCpu, cpus, stride, room, userBytes: perCpu ? room : valueSize, current };
}
