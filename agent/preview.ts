import type { Alert, Attempt, AuditLog } from '../alerts/index.ts';
import type { Policy } from '../policies/index.ts';
import type { Sensor } from '../sensors/index.ts';
import { runAgent } from './agent.ts';
import type { KillBudget } from './kill-budget.ts';
import { createMemoryLog } from './memory-log.ts';
import { anyCgroup } from './test-bench.ts';

/** What one rule would have done to one executable. */
export interface PreviewedRule {
  readonly policy: string;
  readonly rule: string;
  readonly action: Attempt['action'];
  readonly hook: string;
  /** How often it came to what: `denied`, `killed`, or why not. */
  readonly outcomes: Readonly<Partial<Record<Attempt['outcome'], number>>>;
  /** ISO 8601, nanoseconds, UTC. */
  readonly first: string;
  readonly last: string;
  /** The first attempt. */
  readonly example: {
    readonly pid: number;
    readonly cmdline: string | null;
    readonly event: string;
    readonly arguments: Attempt['arguments'];
  };
}

/** What would have become of one executable. */
export interface PreviewedExecutable {
  /** Null where it is not known. */
  readonly exe: string | null;
  readonly denied: number;
  readonly killed: number;
  /** Attempts that a guard or a budget, or a condition that is not certain, keeps from being carried out. */
  readonly kept: number;
  readonly first: string;
  readonly last: string;
  readonly rules: readonly PreviewedRule[];
}

/** What policies would have denied and killed. */
export interface Preview {
  /** Those most often denied or killed first. */
  readonly executables: readonly PreviewedExecutable[];
  readonly denied: number;
  readonly killed: number;
  readonly kept: number;
  /** Attempts of processes that would have been killed before, or whose ancestors would: in a recording they go on. They count nowhere else. */
  readonly afterKill: number;
  readonly calls: number;
  readonly problems: readonly string[];
}

export interface PreviewOptions {
  /** Whatever their mode is, they count as enforcing. */
  readonly policies: readonly Policy[];
  readonly sensor: Sensor;
  readonly protect?: readonly string[];
  readonly budget?: KillBudget;
  readonly warn?: (sentence: string) => void;
}

const HOST = 'preview';

/** A policy as it is once somebody turns it on. */
const enforcing = (policy: Policy): Policy => ({
  ...policy,
  mode: 'enforce',
  rules: policy.rules.map((rule) => (rule.action === 'alert' ? rule : { ...rule, mode: 'enforce' })),
});

interface Seen {
  readonly attempt: Attempt;
  readonly process: Alert['process'];
}

/** A log that keeps attempts, with the process of the alert before each. */
const createCollector = (onSeen: (seen: Seen) => void): AuditLog => {
  const log = createMemoryLog(HOST);
  let process: Alert['process'] | undefined;
  const append = (kind: Parameters<AuditLog['append']>[0], body: unknown): { seq: number } => {
    const seq = log.last + 1;
    const said: unknown = typeof body === 'function' ? body(seq) : body;
    if (kind === 'alert') process = (said as Alert).process;
    if (kind === 'enforcement' && process !== undefined && Object.hasOwn(said as object, 'outcome'))
      onSeen({ attempt: said as Attempt, process });
    return log.append(kind, said as object) as { seq: number };
  };
  return Object.defineProperty(Object.create(log) as AuditLog, 'append', { value: append });
};

interface Group {
  readonly exe: string | null;
  readonly rules: Map<string, { -readonly [Key in keyof PreviewedRule]: PreviewedRule[Key] }>;
}

const add = (groups: Map<string, Group>, { attempt, process }: Seen): void => {
  const { exe, policy, rule, action, hook, outcome, time, pid, event } = attempt;
  const group = groups.get(exe ?? '') ?? { exe, rules: new Map() };
  groups.set(exe ?? '', group);
  const key = `${policy}\0${rule}\0${hook}`;
  const known = group.rules.get(key);
  if (known === undefined) {
    const example = { pid, cmdline: process.cmdline, event, arguments: attempt.arguments };
    group.rules.set(key, { policy, rule, action, hook, outcomes: { [outcome]: 1 }, first: time, last: time, example });
    return;
  }
  known.outcomes = { ...known.outcomes, [outcome]: (known.outcomes[outcome] ?? 0) + 1 };
  known.last = time;
};

const countOf = ({ outcomes }: PreviewedRule, outcome: Attempt['outcome']): number => outcomes[outcome] ?? 0;
const sum = <T>(list: readonly T[], of: (each: T) => number): number =>
  list.reduce((total, each) => total + of(each), 0);

const summed = ({ exe, rules: byKey }: Group): PreviewedExecutable => {
  const rules = [...byKey.values()];
  const denied = sum(rules, (rule) => countOf(rule, 'denied'));
  const killed = sum(rules, (rule) => countOf(rule, 'killed'));
  const all = sum(rules, ({ outcomes }) => sum(Object.values(outcomes), (each) => each));
  return {
    exe,
    denied,
    killed,
    kept: all - denied - killed,
    first: rules.map(({ first }) => first).sort()[0] ?? '',
    last:
      rules
        .map(({ last }) => last)
        .sort()
        .at(-1) ?? '',
    rules,
  };
};

/**
 * Plays what a sensor has under policies as if they enforced, and says what they would have denied and killed. A recording goes on as it was
 * recorded; in a scenario calls are denied and processes killed, in the simulation. @throws CompileError for rules that can't be enforced as written
 */
export const preview = async (options: PreviewOptions, signal?: AbortSignal): Promise<Preview> => {
  const { sensor, protect, budget, warn } = options;
  const groups = new Map<string, Group>();
  const killed = new Set<number>();
  let afterKill = 0;
  const log = createCollector((seen) => {
    const { attempt, process } = seen;
    const line = [process.pid, ...process.ancestors.map(({ pid }) => pid)];
    if (sensor.kind === 'replay' && line.some((pid) => killed.has(pid))) {
      afterKill++;
      return;
    }
    if (attempt.outcome === 'killed') killed.add(attempt.pid);
    add(groups, seen);
  });
  const { calls, problems } = await runAgent(
    {
      policies: options.policies
        .map(enforcing)
        .map((policy) => (sensor.kind === 'replay' ? anyCgroup(policy) : policy)),
      sensor,
      host: HOST,
      enforce: true,
      everyMatch: true,
      log,
      ...(protect && { protect }),
      ...(budget && { budget }),
      ...(warn && { warn }),
    },
    signal,
  );
  const executables = [...groups.values()]
    .map(summed)
    .sort((one, other) => other.denied + other.killed - one.denied - one.killed || other.kept - one.kept);
  return {
    executables,
    denied: sum(executables, (each) => each.denied),
    killed: sum(executables, (each) => each.killed),
    kept: sum(executables, (each) => each.kept),
    afterKill,
    calls,
    problems,
  };
};
