import { type EventRecord, processKey, SPARED } from '../rules/index.ts';
import { type ContainerSource, type Kernel, type KernelMap, NO_CONTAINERS, type Processes } from '../sensors/index.ts';
import type { FactFill } from './facts.ts';

export interface SparedOptions {
  readonly kernel: Kernel;
  /** The object's map `spared`. */
  readonly map: KernelMap;
  readonly processes: Processes;
  readonly containers?: ContainerSource | undefined;
  readonly warn?: ((sentence: string) => void) | undefined;
}

type SparedFill = Pick<FactFill, 'begin' | 'apply' | 'recheck'>;

/** Cgroups whose containers are still asked for, at most. */
const MAX_WAITING = 1024;

/**
 * Tells the kernel which processes are the first of their containers: the runtime says which process id that is, the process table when the process
 * started, and both together are what programs compare. What a process makes itself look like (pid 1 of a new namespace, a cgroup of its own) plays no part.
 */
const createSpared = ({ kernel, map, processes, containers = NO_CONTAINERS, warn }: SparedOptions): SparedFill => {
  const spared = new Map<number, bigint>();
  const waiting = new Set<string>();
  let isFull = false;

  const remove = (pid: number, start: bigint): void => {
    if (spared.get(pid) !== start) return;
    spared.delete(pid);
    map.delete(processKey(pid, start));
  };
  const spare = (pid: number, start: bigint): void => {
    const before = spared.get(pid);
    if (before === start) return;
    if (before !== undefined) remove(pid, before);
    if (map.update(processKey(pid, start), new Uint8Array([SPARED.containerInit, 0, 0, 0])) === 0) {
      spared.set(pid, start);
      return;
    }
    if (!isFull)
      warn?.(
        `the kernel's map "${map.spec.name}" has no room for more than ${map.spec.maxEntries.toLocaleString('en-US')} processes: the first ones of further containers can be killed`,
      );
    isFull = true;
  };
  const consider = (cgroup: string): void => {
    const answer = containers.facts(cgroup);
    const init = answer.state === 'known' ? answer.facts.init : undefined;
    const process = init === undefined ? undefined : processes.living(init);
    if (process !== undefined) {
      waiting.delete(cgroup);
      spare(process.pid, process.start);
    } else if (answer.state === 'host' || answer.state === 'unknown') waiting.delete(cgroup);
    else if (waiting.size < MAX_WAITING) waiting.add(cgroup);
  };
  return {
    begin: (cgroups) => {
      for (const cgroup of cgroups) consider(cgroup);
    },
    apply: (record: EventRecord) => {
      if (record.kind === 'exit') remove(record.pid, record.start);
      if (record.kind !== 'exec') return;
      const cgroup = kernel.cgroupPath(record.cgroup);
      if (cgroup !== undefined) consider(cgroup);
    },
    recheck: () => {
      for (const cgroup of [...waiting]) consider(cgroup);
    },
  };
};

/** Keeps the map `spared` with the facts of an object. */
export const withSpared = (facts: FactFill, options: SparedOptions): FactFill => {
  const spared = createSpared(options);
  return {
    ...facts,
    begin: (cgroups) => {
      const all = [...cgroups];
      facts.begin(all);
      spared.begin(all);
    },
    apply: (record) => {
      facts.apply(record);
      spared.apply(record);
    },
    recheck: () => {
      facts.recheck();
      spared.recheck();
    },
    get problems() {
      return facts.problems;
    },
  };
};
