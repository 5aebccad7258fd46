import { type AgentOptions, type AgentSummary, runAgent } from '../../../agent/index.ts';
import { createMemoryLog } from '../../../agent/memory-log.ts';
import type { Alert } from '../../../alerts/index.ts';
import type { FeatureLevel } from '../../../engine/object/index.ts';
import { loadPolicyText } from '../../../policies/index.ts';
import { compile } from '../../../rules/index.ts';
import type { Sensor } from '../../../sensors/index.ts';
import type { Host } from './host.ts';

/** A rule of a case: what it asks for, and what it says. */
export interface CaseRule {
  readonly name?: string;
  readonly condition: string;
  readonly output: string;
  readonly priority?: 'critical' | 'warning';
  readonly action?: 'alert' | 'deny' | 'kill';
}

export interface WatchOptions extends Pick<AgentOptions, 'limit' | 'rings' | 'protect'> {
  /** Default the kernel's own. */
  readonly level?: FeatureLevel;
  /** Enforce what rules decide, in the host's scope. */
  readonly enforce?: boolean;
  /** Hooks that rules are compiled without, as if the kernel had none. */
  readonly without?: (hook: string) => boolean;
}

/** What came of a workload under rules. */
export interface Watched {
  /** Without those that the agent raises of itself. */
  readonly alerts: readonly Alert[];
  readonly summary: AgentSummary;
  /** The agent's own alerts: losses, limits. */
  readonly own: readonly Alert[];
  /** What can't be as wished. */
  readonly warnings: readonly string[];
}

const POLICY = 'suite';

const policyText = (host: Host, rules: readonly CaseRule[], enforce: boolean): string =>
  JSON.stringify({
    apiVersion: 'shrike/v1',
    kind: 'Policy',
    metadata: { name: POLICY },
    spec: {
      mode: enforce ? 'enforce' : 'monitor',
      scope: { cgroup: host.scope },
      rules: rules.map(({ name = 'seen', condition, output, priority = 'warning', action = 'alert' }) => ({
        rule: name,
        condition,
        output,
        priority,
        action,
      })),
    },
  });

/** Compiles rules, attaches them to the host's scope and runs a workload under them. */
export const watch = async (
  host: Host,
  rules: readonly CaseRule[],
  work: () => Promise<void>,
  options: WatchOptions = {},
): Promise<Watched> => {
  const { level = host.kernel.features.level, enforce = false, without = () => false, ...more } = options;
  const hooks = host.kernel.features.hooks.filter((hook) => !without(hook));
  const { policies, diagnostics } = loadPolicyText('suite.yaml', policyText(host, rules, enforce));
  const mistakes = diagnostics.filter(({ severity }) => severity === 'error');
  if (mistakes.length > 0) throw new Error(`the case's policy: ${JSON.stringify(mistakes)}`);
  const sensor: Sensor = {
    kind: host.kind,
    kernel: host.kernel,
    scope: host.scope,
    run: async (pump) => {
      await work();
      pump();
      return { calls: 0, problems: [] };
    },
  };
  const all: Alert[] = [];
  const warnings: string[] = [];
  const summary = await runAgent({
    policies,
    sensor,
    compiled: compile(
      policies.flatMap((policy) => policy.rules),
      { level, hooks },
    ),
    host: 'suite',
    enforce,
    log: createMemoryLog('suite'),
    onAlert: (alert) => all.push(alert),
    warn: (sentence) => warnings.push(sentence),
    ...more,
  });
  return {
    alerts: all.filter(({ policy }) => policy === POLICY),
    own: all.filter(({ policy }) => policy !== POLICY),
    summary,
    warnings,
  };
};

/** Events that open a file. */
export const OPEN = 'evt.type in (open, openat, openat2, creat)';

/** A rule about opens of one file, wherever it is. */
export const OPEN_RULE: CaseRule = {
  condition: `${OPEN} and fd.name endswith /watched.txt`,
  output: '%evt.type %fd.name %proc.name %evt.res',
};

/** What alerts say. */
export const outputs = (alerts: readonly Pick<Alert, 'output'>[]): string[] => alerts.map(({ output }) => output);
