/** Offsets into the one value of the `config` map, which the agent writes before anything attaches. */
export const CONFIG = {
  /** Id of the cgroup whose tasks are observed, with those below it; 0: programs are inert. The root's is 1. */
  scope: 0,
  /** How many levels below the root that cgroup lies. */
  level: 8,
  /** Whether verdicts are carried out: a value of `SWITCH`. */
  enforce: 12,
  /** Nanoseconds since boot at which enforcement ends unless it is renewed; 0: never. */
  expires: 16,
  /** Nanoseconds between two records of one rule in one cgroup, on average; 0: no limit. */
  interval: 24,
  /** Nanoseconds that a rule may be ahead of `interval`: how many records may come at once, less one, times `interval`. */
  burst: 32,
  /** The agent's own process id in the first pid namespace; 0: it is not known, or not observed. */
  agent: 40,
  /** A byte that every record of the object's programs carries: which of several objects in the kernel wrote it. */
  generation: 44,
  /** A byte, 1: programs of exec, fork and exit keep the facts of processes and hand nothing over. */
  silent: 45,
  /** Kills of one executable in one cgroup in a period; 0: no limit. */
  kills: 48,
  /** Milliseconds of a period; each one that comes after a period whose kills were used up is twice as long. */
  period: 52,
  /** Id of the cgroup whose tasks programs always act on, by which the agent sees that they can; 0: none. It lies in the scope. */
  sentinel: 56,
  /** Hooks, as bits by their layouts' indices, that have not been seen to act: their verdicts are not carried out. */
  unproven: 64,
  /** Hooks whose programs act on the sentinel. */
  tried: 68,
  size: 72,
} as const;

/** Values of `CONFIG.enforce`: the agent only watches; it enforces; it does, and someone has switched that off for now. */
export const SWITCH = { monitor: 0, on: 1, off: 2 } as const;
