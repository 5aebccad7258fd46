import { CONFIG, type Compiled, fanotifyName, type Tier, tierOf } from '../rules/index.ts';
import type { Kernel, KernelMap, Sentinel } from '../sensors/index.ts';
import { actingHooks, hookBits, unprovenBits } from './acting-hooks.ts';
import { FIRST } from './load.ts';

/** A hook at which rules deny or kill, and whether its program was seen to. */
export interface ProvenTier {
  readonly tier: Tier;
  readonly hook: string;
  readonly proven: boolean;
  /** Why it was not. */
  readonly why?: string;
}

const edit = (config: KernelMap, change: (view: DataView) => void): void => {
  const value = config.lookup(FIRST);
  if (value === undefined) throw new Error('the configuration is gone');
  change(new DataView(value.buffer, value.byteOffset, value.byteLength));
  const result = config.update(FIRST, value);
  if (result !== 0) throw new Error(`writing the configuration failed with errno ${-result}`);
};

/**
 * Hooks that are tried together: what kills ends the process that tries, and an exec that is denied is not killed; what fanotify stands for needs files
 * that perhaps can't be made.
 */
const groupsOf = (hooks: readonly string[], isAsked: (hook: string) => boolean): readonly (readonly string[])[] => {
  const alone = ['tp_btf/sched_process_exec', 'tp_btf/sys_exit'];
  const together = hooks.filter((hook) => !alone.includes(hook) && !isAsked(hook));
  return [
    together,
    hooks.filter(isAsked),
    ...alone.filter((hook) => hooks.includes(hook)).map((hook) => [hook]),
  ].filter((group) => group.length > 0);
};

/** Whether programs can be seen to act, before anybody says that they do. */
export interface Proof {
  /** Has the loaded programs act on processes of the agent's own, and lets those hooks act that did. */
  run(config: KernelMap, offered: (hook: string) => boolean): Promise<readonly ProvenTier[]>;
  close(): Promise<void>;
}

export interface ProofOptions {
  readonly kernel: Kernel;
  readonly scope: string;
  readonly compiled: Compiled;
  /** Gets the cgroups of such processes, whose records are nobody's business. */
  readonly own: Set<bigint>;
  /** Gets the hooks that were seen to act. */
  readonly proven: Set<string>;
  /** The hooks to try; default all at which rules deny or kill. */
  readonly hooks?: readonly string[];
  /** Hooks that fanotify stands for, on some mounts. */
  readonly asked?: { readonly hooks: ReadonlySet<string>; readonly mounts: readonly string[] };
  readonly warn?: ((sentence: string) => void) | undefined;
}

const sentenceOf = (hook: string, name: string, why: string, { plan }: Compiled): string => {
  const rules = plan.hooks
    .filter((each) => each.hook === hook)
    .flatMap(({ events }) => events.flatMap((event) => event.rules.map(({ rule }) => plan.rules[rule])))
    .flatMap((rule) => (rule === undefined || rule.action === 'alert' ? [] : [rule.name]));
  const names = [...new Set(rules)];
  return `${name} is not enforced (${why}): ${names.join(', ')} ${names.length === 1 ? 'says' : 'say'} what would have been done there`;
};

/** Starts the processes that hooks are tried on, before programs attach. Where none can be made, no hook is seen to act. */
export const openProof = async (options: ProofOptions): Promise<Proof> => {
  const { kernel, scope, compiled, own, proven, asked, warn, hooks = actingHooks(compiled) } = options;
  const isAsked = (hook: string): boolean => asked?.hooks.has(hook) === true;
  /** What a hook is called, and what a sentinel calls that which it tries: fanotify is tried on each mount. */
  const nameOf = (hook: string): string => (isAsked(hook) ? fanotifyName(hook) : hook);
  const trialsOf = (hook: string): readonly string[] =>
    isAsked(hook) ? (asked?.mounts ?? []).map((mount) => `${fanotifyName(hook)} ${mount}`) : [hook];
  const sentinels = new Map<readonly string[], Sentinel>();
  const failures = new Map<string, string>();
  for (const group of groupsOf(hooks, isAsked))
    try {
      const sentinel = await kernel.openSentinel?.(scope, group.flatMap(trialsOf));
      if (sentinel === undefined) continue;
      sentinels.set(group, sentinel);
      own.add(sentinel.cgroup);
    } catch (error) {
      const why = `it can't be tried: ${error instanceof Error ? error.message : String(error)}`;
      for (const hook of group) failures.set(hook, why);
    }
  const findingsOf = async (config: KernelMap, group: readonly string[], sentinel: Sentinel) => {
    edit(config, (view) => {
      view.setBigUint64(CONFIG.sentinel, sentinel.cgroup, true);
      view.setUint32(
        CONFIG.tried,
        hookBits(compiled, (hook) => group.includes(hook)),
        true,
      );
    });
    try {
      return await sentinel.provoke();
    } finally {
      edit(config, (view) => view.setBigUint64(CONFIG.sentinel, 0n, true));
      await sentinel.close();
    }
  };
  return {
    async run(config, offered) {
      const why = new Map(failures);
      for (const hook of hooks) if (!offered(hook)) why.set(hook, 'the kernel takes no programs there');
      for (const [group, sentinel] of sentinels) {
        const found = new Map((await findingsOf(config, group, sentinel)).map((each) => [each.hook, each]));
        for (const hook of group) {
          if (why.has(hook)) continue;
          const trials = trialsOf(hook);
          const failed = trials.map((trial) => found.get(trial)).find((each) => each?.proven !== true);
          if (failed?.proven === false)
            why.set(hook, isAsked(hook) ? `on ${failed.hook.replace(/^[^ ]* /, '')}, ${failed.why}` : failed.why);
          else if (trials.every((trial) => found.has(trial))) proven.add(hook);
        }
      }
      edit(config, (view) => view.setUint32(CONFIG.unproven, unprovenBits(compiled, proven), true));
      const tiers = hooks.flatMap((hook): readonly ProvenTier[] => {
        const name = nameOf(hook);
        const tier = tierOf(name);
        if (tier === undefined) return [];
        if (proven.has(hook)) return [{ tier, hook: name, proven: true }];
        const reason = why.get(hook) ?? 'it was not tried';
        warn?.(sentenceOf(hook, name, reason, compiled));
        return [{ tier, hook: name, proven: false, why: reason }];
      });
      return tiers;
    },
    async close() {
      for (const sentinel of sentinels.values()) await sentinel.close();
    },
  };
};
