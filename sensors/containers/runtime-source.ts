import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { type CgroupContainer, containersInCgroup } from './cgroup.ts';
import type { ContainerFacts } from './facts.ts';
import { createServers, type Found } from './servers.ts';
import { type RuntimeSocket, usualSockets } from './sockets.ts';
import type { ContainerAnswer, ContainerSource } from './source.ts';

export interface ContainerSourceOptions {
  /** Default: those that the environment names, and the usual ones. */
  readonly sockets?: readonly RuntimeSocket[];
  /** Sentences about servers that can't be asked, once each. */
  readonly warn?: (sentence: string) => void;
  /** Milliseconds that a server has for an answer; default 2000. */
  readonly timeout?: number;
  /** Bytes that an answer may have; default 4 MiB. */
  readonly bytes?: number;
  /** Milliseconds in which a container that no server knows is taken for too young and asked for again; default 5000. */
  readonly youngFor?: number;
  /** Milliseconds until a server that failed, or one that doesn't know a container, is asked again; default 10,000 and 60,000. */
  readonly rest?: number;
  readonly unknownFor?: number;
  /** Milliseconds until a known container is asked for again, since it may be restarted or renamed; default 600,000. */
  readonly knownFor?: number;
  /** Containers that are remembered; default 4096. */
  readonly capacity?: number;
  /** Whether a cgroup still exists; containers whose cgroup is gone are forgotten. Default: all exist. */
  readonly isThere?: (cgroup: string) => boolean;
  /** The cgroup v2 path of a process; default from /proc. */
  readonly cgroupOf?: (pid: number) => Promise<string | undefined>;
}

interface Entry {
  readonly container: CgroupContainer;
  state: 'asked' | 'known' | 'unknown';
  facts: ContainerFacts | undefined;
  /** Members of the facts that are null may come yet. */
  partial: boolean;
  /** Where the runtime itself has the container; undefined where that can't be seen. */
  home: string | undefined;
  /** Milliseconds of performance.now() from which it is asked for again. */
  staleAt: number;
  /** Its cgroup was not there when last looked for. */
  missing: boolean;
}

/** Milliseconds between two questions about a container that is too young: doubled each time, up to the second. */
const FIRST_PAUSE = 50;
const LAST_PAUSE = 1000;
/** Containers that are asked for at once. */
const MAX_QUESTIONS = 16;
/** How often, in milliseconds, is looked whether cgroups are gone, and how many at once. */
const SWEEP_EVERY = 5000;
const SWEEP_ENTRIES = 200;

/** Milliseconds until what the protocols need is loaded: when what the caller is about to do at once is done. */
const PREPARE_AFTER = 50;

const HOST: ContainerAnswer = { state: 'host' };

const cgroupOfProcess = async (pid: number): Promise<string | undefined> => {
  try {
    return /^0::(.*)$/m.exec(await readFile(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
  } catch {
    return undefined;
  }
};

/**
 * Facts of containers from their runtimes. The first question about a container is answered by "asked" and put to the runtime in
 * the background; nothing a runtime does, or fails to do, delays an answer here or throws.
 */
export const createContainerSource = (options: ContainerSourceOptions = {}): ContainerSource => {
  const { youngFor = 5000, rest = 10_000, unknownFor = 60_000, knownFor = 600_000, capacity = 4096 } = options;
  const { isThere, cgroupOf = cgroupOfProcess, warn = () => undefined } = options;
  const servers = createServers({
    sockets: options.sockets ?? usualSockets(),
    limits: { timeout: options.timeout ?? 2000, bytes: options.bytes ?? 4 * 1024 * 1024 },
    rest,
    warn,
  });
  /** By id; the one looked at longest ago comes first. */
  const entries = new Map<string, Entry>();
  const paths = new Map<string, readonly CgroupContainer[]>();
  const listeners = new Set<() => void>();
  const questions: (() => void)[] = [];
  let running = 0;
  let stop = new AbortController();
  let sweeper: NodeJS.Timeout | undefined;
  let claimed = false;
  /** Where looking for cgroups goes on. */
  let cursor = 0;

  const prepares = setTimeout(() => void servers.prepare(), PREPARE_AFTER).unref();
  const changed = (): void => {
    for (const listener of listeners) listener();
  };
  const find = async (container: CgroupContainer, signal: AbortSignal): Promise<Found> => {
    if (running < MAX_QUESTIONS) running++;
    else await new Promise<void>((resolve) => questions.push(resolve));
    try {
      return signal.aborted ? { state: 'no answer' } : await servers.find(container);
    } finally {
      const next = questions.shift();
      if (next === undefined) running--;
      else next();
    }
  };
  const homeOf = async (id: string, pid: number | undefined): Promise<string | undefined> => {
    const path = pid === undefined || pid <= 0 ? undefined : await cgroupOf(pid);
    return path === undefined ? undefined : containersInCgroup(path).find((each) => each.id === id)?.path;
  };

  /** Asks until the facts are there and whole, or the container is too old for that. */
  const ask = async (entry: Entry, signal: AbortSignal): Promise<void> => {
    const began = performance.now();
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LAST_PAUSE)) {
      const found = await find(entry.container, signal);
      if (signal.aborted) return;
      if (found.state === 'found') {
        entry.home = await homeOf(entry.container.id, found.inspected.pid);
        const { facts, pid } = found.inspected;
        entry.facts = entry.home === undefined || pid === undefined || pid <= 0 ? facts : { ...facts, init: pid };
        entry.state = 'known';
      }
      const isOld = performance.now() - began + pause > youngFor;
      entry.partial = entry.facts?.startNs === null && !isOld;
      const isOver = found.state === 'no answer' || isOld || (found.state === 'found' && !entry.partial);
      if (isOver && entry.state === 'asked') entry.state = 'unknown';
      if (isOver) {
        entry.partial = false;
        const again = found.state === 'no answer' ? rest : entry.state === 'known' ? knownFor : unknownFor;
        entry.staleAt = performance.now() + again;
      }
      if (isOver || found.state === 'found') changed();
      if (isOver) return;
      await delay(pause, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
    }
  };
  const start = (entry: Entry): void => {
    entry.staleAt = Number.POSITIVE_INFINITY;
    ask(entry, stop.signal).catch((error: unknown) => {
      entry.state = entry.state === 'asked' ? 'unknown' : entry.state;
      entry.staleAt = performance.now() + unknownFor;
      warn(`asking for container ${entry.container.id} failed: ${String(error)}`);
      changed();
    });
  };

  const sweep = (): void => {
    const all = [...entries];
    for (let looked = 0; looked < Math.min(SWEEP_ENTRIES, all.length); looked++) {
      const [id, entry] = all[cursor++ % all.length] ?? [];
      if (id === undefined || entry === undefined) continue;
      const isGone = isThere?.(entry.container.path) === false;
      if (isGone && entry.missing) entries.delete(id);
      entry.missing = isGone;
    }
  };
  const add = (container: CgroupContainer): Entry => {
    const [oldest] = entries.keys();
    if (entries.size >= capacity && oldest !== undefined) entries.delete(oldest);
    const entry: Entry = {
      container,
      state: 'asked',
      facts: undefined,
      partial: false,
      home: undefined,
      staleAt: Number.POSITIVE_INFINITY,
      missing: false,
    };
    if (isThere !== undefined) sweeper ??= setInterval(sweep, SWEEP_EVERY).unref();
    start(entry);
    return entry;
  };
  const lookUp = (container: CgroupContainer): Entry => {
    const known = entries.get(container.id);
    if (known !== undefined) entries.delete(container.id);
    const entry = known ?? add(container);
    entries.set(container.id, entry);
    if (entry.staleAt <= performance.now()) start(entry);
    return entry;
  };
  /** A cgroup may be named like a container that its runtime has elsewhere. */
  const isClaim = (entry: Entry, container: CgroupContainer): boolean => {
    if (entry.home === undefined || entry.home === container.path) return false;
    if (!claimed)
      warn(`the cgroup ${container.path} is named like a container that is at ${entry.home}; it is not that one`);
    claimed = true;
    return true;
  };
  const containersOf = (cgroup: string): readonly CgroupContainer[] => {
    const known = paths.get(cgroup);
    if (known !== undefined) return known;
    if (paths.size >= capacity) paths.clear();
    const containers = containersInCgroup(cgroup);
    paths.set(cgroup, containers);
    return containers;
  };

  return {
    facts: (cgroup) => {
      const containers = containersOf(cgroup);
      const last = containers.at(-1);
      if (last === undefined) return HOST;
      for (const container of containers) {
        if (container.user !== undefined) break;
        const entry = lookUp(container);
        if (entry.facts !== undefined && !isClaim(entry, container))
          return { state: 'known', facts: entry.facts, partial: entry.partial };
        if (entry.state === 'asked') return { state: 'asked', container: last };
      }
      return { state: 'unknown', container: last };
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => {
      stop.abort();
      stop = new AbortController();
      clearTimeout(prepares);
      clearInterval(sweeper);
      sweeper = undefined;
      entries.clear();
      servers.close();
    },
  };
};
