import { CONFIG, type Compiled, type Tier, tierOf } from '../rules/index.ts';
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

/** Hooks that are tried together: what kills ends the process that tries, and an exec that is denied is not killed. */
const groupsOf = (hooks: readonly string[]): readonly (readonly string[])[] => {
  const alone = ['tp_btf/sched_process_exec', 'tp_btf/sys_exit'];
  const together = hooks.filter((hook) => !alone.includes(hook));
  return [together, ...alone.filter((hook) => hooks.includes(hook)).map((hook) => [hook])].filter(
    (group) => group.length > 0,
  );
};

/** Whether programs can be seen to act, before anybody says that they do. */
export interface Proof {
  /** Has the loaded programs act on processes of the agent's own, and lets those hooks act that did. */
  run(config: KernelMap, offered: (hook: string) => boolean): Promise<readonly ProvenTier[]>;
  /** Whether a record is of such a process. */
  isOwn(cgroup: bigint): boolean;
  close(): Promise<void>;
}

export interface ProofOptions {
  readonly kernel: Kernel;
  readonly scope: string;
  readonly compiled: Compiled;
  /** Gets the hooks that were seen to act. */
  readonly proven: Set<string>;
  readonly warn?: ((sentence: string) => void) | undefined;
}

const sentenceOf = ({ hook, why }: ProvenTier, { plan }: Compiled): string => {
  const rules = plan.hooks
    .filter((each) => each.hook === hook)
    .flatMap(({ events }) => events.flatMap((event) => event.rules.map(({ rule }) => plan.rules[rule])))
    .flatMap((rule) => (rule === undefined || rule.action === 'alert' ? [] : [rule.name]));
  const names = [...new Set(rules)];
  return `${hook} is not enforced (${why ?? ''}): ${names.join(', ')} ${names.length === 1 ? 'says' : 'say'} what would have been done there`;
};

/** Starts the processes that hooks are tried on, before programs attach. Where none can be made, no hook is seen to act. */
export const openProof = async ({ kernel, scope, compiled, proven, warn }: ProofOptions): Promise<Proof> => {
  const hooks = actingHooks(compiled);
  const sentinels = new Map<readonly string[], Sentinel>();
  const failures = new Map<string, string>();
  const own = new Set<bigint>();
  for (const group of groupsOf(hooks))
    try {
      const sentinel = await kernel.openSentinel?.(scope, group);
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
    isOwn: (cgroup) => own.has(cgroup),
    async run(config, offered) {
      const why = new Map(failures);
      for (const hook of hooks) if (!offered(hook)) why.set(hook, 'the kernel takes no programs there');
      for (const [group, sentinel] of sentinels)
        for (const found of await findingsOf(config, group, sentinel)) {
          if (why.has(found.hook)) continue;
          if (found.proven) proven.add(found.hook);
          else why.set(found.hook, found.why);
        }
      edit(config, (view) => view.setUint32(CONFIG.unproven, unprovenBits(compiled, proven), true));
      const tiers = hooks.flatMap((hook): readonly ProvenTier[] => {
        const tier = tierOf(hook);
        const reason = why.get(hook);
        if (tier === undefined) return [];
        return [
          proven.has(hook)
            ? { tier, hook, proven: true }
            : { tier, hook, proven: false, why: reason ?? 'it was not tried' },
        ];
      });
      for (const each of tiers) if (!each.proven) warn?.(sentenceOf(each, compiled));
      return tiers;
    },
    async close() {
      for (const sentinel of sentinels.values()) await sentinel.close();
    },
  };
};
