/** What policies cost, as the agent's metrics say it (`shrike_policy_seconds_total`). */
export interface PolicyCost {
  readonly policy: string;
  /** Of all CPUs together. */
  readonly seconds: number;
}

/** What a hook's program cost, as the kernel counts it. */
export interface HookCost {
  readonly hook: string;
  readonly runs: number;
  readonly seconds: number;
}

export interface Cost {
  readonly policies: readonly PolicyCost[];
  readonly hooks: readonly HookCost[];
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)\{([^}]*(?:"[^"]*"[^}]*)*)\} (\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

const labelsOf = (text: string): ReadonlyMap<string, string> =>
  new Map(
    [...text.matchAll(LABEL)].map(([, name = '', value = '']) => [
      name,
      value.replace(/\\(.)/g, (_, character: string) => (character === 'n' ? '\n' : character)),
    ]),
  );

/** Reads what `/metrics` of an agent with --program-cost answered (Prometheus's text format). @throws Error where it says nothing of cost */
export const parseCost = (text: string): Cost => {
  const policies: PolicyCost[] = [];
  const runs = new Map<string, number>();
  const seconds = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name, labelText = '', number] = SAMPLE.exec(line) ?? [];
    const value = Number(number);
    if (name === undefined || !Number.isFinite(value)) continue;
    const labels = labelsOf(labelText);
    const hook = labels.get('hook') ?? '';
    if (name === 'shrike_policy_seconds_total') policies.push({ policy: labels.get('policy') ?? '', seconds: value });
    if (name === 'shrike_program_runs_total') runs.set(hook, value);
    if (name === 'shrike_program_seconds_total') seconds.set(hook, value);
  }
  if (policies.length === 0 && runs.size === 0)
    throw new Error(
      'it has neither shrike_policy_seconds_total nor shrike_program_runs_total: save what /metrics of "shrike run --metrics --program-cost" answers',
    );
  return {
    policies: policies.sort((one, other) => other.seconds - one.seconds),
    hooks: [...runs]
      .map(([hook, count]) => ({ hook, runs: count, seconds: seconds.get(hook) ?? 0 }))
      .sort((one, other) => other.seconds - one.seconds),
  };
};
