import { type Mount, parseMounts } from '../mounts.ts';
import type { Prober } from './prober.ts';

/** How cgroups are set up, as /proc/self/mountinfo says. */
export interface CgroupReport {
  /** `v2` alone, `hybrid`: v2 beside v1, `v1` alone, or none. */
  readonly version: 'v2' | 'hybrid' | 'v1' | 'none';
  /** Where the v2 hierarchy is mounted. */
  readonly mount?: string;
}

/** What a process may use before its memory cgroups refuse more. */
export interface MemoryReport {
  /** RLIMIT_MEMLOCK in bytes; undefined where it is unlimited. */
  readonly memlock?: number;
  /** The kernel charges maps to RLIMIT_MEMLOCK, as before 5.11, and not to the memory cgroup. */
  readonly charged: boolean;
  /** The tightest limit of this process's memory cgroups and what is used under it, in bytes; undefined where there is none. */
  readonly limit?: { readonly cgroup: string; readonly bytes: number; readonly used: number };
}

/** The mounts that this process sees. */
export const mountsOf = (prober: Prober): readonly Mount[] => parseMounts(prober.read('/proc/self/mountinfo') ?? '');

/** Which cgroup hierarchies are mounted. */
export const probeCgroup = (prober: Prober): CgroupReport => {
  const mounts = mountsOf(prober);
  const v2 = mounts.find(({ type }) => type === 'cgroup2');
  const v1 = mounts.some(({ type }) => type === 'cgroup');
  if (v2 !== undefined) return { version: v1 ? 'hybrid' : 'v2', mount: v2.place };
  return { version: v1 ? 'v1' : 'none' };
};

/** No limit of memory v1 is written as the highest multiple of a page; more than a pebibyte is none. */
const NO_LIMIT = 2 ** 50;

const parents = (path: string): readonly string[] => {
  const parts = path.split('/').filter((part) => part !== '');
  return parts.map((_, index) => `/${parts.slice(0, parts.length - index).join('/')}`).concat('/');
};

/** The tightest limit on the way from this process's cgroup to the root, in either version's memory controller. */
const memoryLimit = (prober: Prober): MemoryReport['limit'] => {
  const own = prober.read('/proc/self/cgroup') ?? '';
  const mounts = mountsOf(prober);
  const v1 = /^\d+:(?:[^:\n]*,)?memory(?:,[^:\n]*)?:(.*)$/m.exec(own)?.[1];
  const folder = v1
    ? mounts.find(({ type, options }) => type === 'cgroup' && options.includes('memory'))?.place
    : mounts.find(({ type }) => type === 'cgroup2')?.place;
  const path = v1 ?? /^0::(.*)$/m.exec(own)?.[1];
  if (folder === undefined || path === undefined) return undefined;
  const [limitFile, usedFile] = v1
    ? ['memory.limit_in_bytes', 'memory.usage_in_bytes']
    : ['memory.max', 'memory.current'];
  let tightest: MemoryReport['limit'];
  for (const cgroup of parents(path)) {
    const at = `${folder}${cgroup === '/' ? '' : cgroup}`;
    const bytes = Number.parseInt(prober.read(`${at}/${limitFile}`) ?? 'max', 10);
    if (Number.isNaN(bytes) || bytes > NO_LIMIT) continue;
    const used = Number.parseInt(prober.read(`${at}/${usedFile}`) ?? '0', 10);
    if (tightest === undefined || bytes - used < tightest.bytes - tightest.used) tightest = { cgroup, bytes, used };
  }
  return tightest;
};

/** @param charged whether maps count for RLIMIT_MEMLOCK */
export const probeMemory = (prober: Prober, charged: boolean): MemoryReport => {
  const memlock = /^Max locked memory\s+(\S+)/m.exec(prober.read('/proc/self/limits') ?? '')?.[1];
  const bytes = memlock === undefined || memlock === 'unlimited' ? undefined : Number(memlock);
  const limit = memoryLimit(prober);
  return { charged, ...(bytes !== undefined && { memlock: bytes }), ...(limit && { limit }) };
};
