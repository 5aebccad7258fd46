/** Offsets into the one value of the `config` map, which the agent writes before anything attaches. */
export const CONFIG = {
  /** Id of the cgroup whose tasks are observed, with those below it; 0: programs are inert. The root's is 1. */
  scope: 0,
  /** How many levels below the root that cgroup lies. */
  level: 8,
  /** 1: verdicts are carried out. */
  enforce: 12,
  /** Nanoseconds since boot at which enforcement ends unless it is renewed; 0: never. */
  expires: 16,
  /** Nanoseconds between two records of one rule in one cgroup, on average; 0: no limit. */
  interval: 24,
  /** Nanoseconds that a rule may be ahead of `interval`: how many records may come at once, less one, times `interval`. */
  burst: 32,
  /** The agent's own process id; 0: none. */
  agent: 40,
  /** A byte that every record of the object's programs carries: which of several objects in the kernel wrote it. */
  generation: 44,
  /** A byte, 1: programs of exec, fork and exit keep the facts of processes and hand nothing over. */
  silent: 45,
  size: 48,
} as const;
