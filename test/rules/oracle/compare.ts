import { runAgent } from '../../../agent/index.ts';
import type { Alert } from '../../../alerts/index.ts';
import type { Policy } from '../../../policies/index.ts';
import {
  type Accounts,
  type ContainerFacts,
  createSimHost,
  NO_NAME,
  POLICY_MEMORY,
  staticContainers,
} from '../../../sensors/index.ts';
import { memoryLog } from '../../support/audit.ts';
import { checksOf, fieldsOfCheck, fieldText, is, outcomes, type Tree } from './language/index.ts';
import { createWorld, DOMAINS, type Happened, USERS, type World } from './world/index.ts';

/** A rule under comparison: its policy's is compiled, its tree evaluated. */
export interface Compared {
  readonly name: string;
  readonly tree: Tree;
}

/** A pair on which the compiled rule and the oracle differ. */
export interface Difference {
  readonly rule: Compared;
  readonly kind: 'missed' | 'missed by the kernel part' | 'raised wrongly';
  readonly event: Happened;
  readonly story: string;
}

export interface Comparison {
  readonly differences: readonly Difference[];
  readonly pairs: number;
  /** Pairs where the oracle says true or unknown. */
  readonly matches: number;
  /** Pairs that depend on what the test doesn't know. */
  readonly skipped: number;
  /** How often each rule matched. */
  readonly matched: ReadonlyMap<string, number>;
  readonly events: number;
}

/** The fields that a condition names, by their text. */
export const fieldsOf = (tree: Tree): ReadonlySet<string> =>
  new Set(checksOf(tree).flatMap(fieldsOfCheck).map(fieldText));

/** Events end with system calls; the end of a process is one for rules that ask for event types only. */
const isSeenBy = (fields: ReadonlySet<string>, event: Happened): boolean =>
  event.type !== 'procexit' || fields.has('evt.type');

/** What a rule should come to on an event; undefined where the test doesn't know. */
export const expected = (tree: Tree, fields: ReadonlySet<string>, event: Happened): boolean | undefined => {
  if (!isSeenBy(fields, event)) return false;
  for (const field of fields) if (event.facts.get(field) === 'untold') return undefined;
  return outcomes(tree, event.facts).yes;
};

/** What rules are told of users and groups. */
const ACCOUNTS: Accounts = {
  user: (uid) => ({ name: USERS[uid] ?? NO_NAME, homedir: '/', shell: '/bin/sh' }),
  group: (gid) => USERS[gid] ?? NO_NAME,
  uids: () => Object.keys(USERS).map(Number),
  gids: () => Object.keys(USERS).map(Number),
  version: () => 1,
};

const keyOf = (pid: number, type: string): string => `${pid} ${type}`;

export interface Comparing {
  readonly policies: readonly Policy[];
  readonly rules: readonly Compared[];
  /** What the runtime says of containers; default the world's own. */
  readonly containers?: readonly ContainerFacts[];
  /** Before anybody looks. */
  readonly prepare: (world: World) => void;
  /** Lets things happen; hands over the events of each step. */
  readonly play: (world: World) => Iterable<readonly Happened[]>;
}

/** What a condition can come to on events of a type, whatever their other fields are. */
const possible = (tree: Tree, type: string): { readonly yes: boolean; readonly no: boolean } => {
  if (tree.kind === 'not') {
    const { yes, no } = possible(tree.of, type);
    return { yes: no, no: yes };
  }
  if (tree.kind === 'and' || tree.kind === 'or') {
    const parts = tree.of.map((part) => possible(part, type));
    const [all, some] = tree.kind === 'and' ? (['yes', 'no'] as const) : (['no', 'yes'] as const);
    const possibly = { [all]: parts.every((part) => part[all]), [some]: parts.some((part) => part[some]) };
    return { yes: possibly.yes === true, no: possibly.no === true };
  }
  const fields = tree.kind === 'check' ? fieldsOfCheck(tree).map(fieldText) : [];
  const isOfType = fields.length > 0 && fields.every((field) => field === 'evt.type');
  return isOfType ? outcomes(tree, { get: () => is(type) }) : { yes: true, no: true };
};

/** The rules that an event's type alone doesn't rule out. */
const rulesOfType = (rules: readonly Compared[], type: string): readonly Compared[] =>
  rules.filter(({ tree }) => possible(tree, type).yes);

/** Runs a policy's rules over what `play` makes happen and compares the alerts, and the kernel part before them, with the oracle. */
export const compare = async ({ policies, rules, containers, prepare, play }: Comparing): Promise<Comparison> => {
  const host = createSimHost({ memory: POLICY_MEMORY });
  const world = createWorld(host, containers);
  prepare(world);
  world.take();
  const fields = new Map(rules.map((rule) => [rule, fieldsOf(rule.tree)]));
  const differences: Difference[] = [];
  const matched = new Map<string, number>();
  const byType = new Map<string, readonly Compared[]>();
  let alerts: Alert[] = [];
  let selected: { readonly rules: readonly string[]; readonly key: string }[] = [];
  let [pairs, matches, skipped, count] = [0, 0, 0, 0];
  const names = policies.flatMap((policy) => policy.rules.map(({ name }) => name));

  const look = (events: readonly Happened[]): void => {
    count += events.length;
    const raised = new Map<string, Map<string, number>>();
    const add = (map: Map<string, Map<string, number>>, key: string, rule: string): void => {
      const ofKey = map.get(key) ?? new Map<string, number>();
      ofKey.set(rule, (ofKey.get(rule) ?? 0) + 1);
      map.set(key, ofKey);
    };
    for (const alert of alerts) add(raised, keyOf(alert.process.pid, alert.event), alert.rule);
    const kernel = new Map<string, Map<string, number>>();
    for (const { rules: found, key } of selected) for (const rule of found) add(kernel, key, rule);
    for (const key of new Set([...events.map((event) => keyOf(event.pid, event.type)), ...raised.keys()])) {
      const same = events.filter((event) => keyOf(event.pid, event.type) === key);
      const type = key.slice(key.indexOf(' ') + 1);
      const candidates = byType.get(type) ?? rulesOfType(rules, type);
      byType.set(type, candidates);
      pairs += (rules.length - candidates.length) * same.length;
      for (const [name, times] of raised.get(key) ?? [])
        if (!candidates.some((rule) => rule.name === name))
          throw new Error(`"${name}" was raised ${times} times on ${type}, which it is not about`);
      for (const rule of candidates) {
        const outcome = same.map((event) => expected(rule.tree, fields.get(rule) ?? new Set(), event));
        if (outcome.includes(undefined)) {
          skipped += same.length;
          continue;
        }
        pairs += same.length;
        const wanted = outcome.filter((each) => each === true).length;
        matches += wanted;
        if (wanted > 0) matched.set(rule.name, (matched.get(rule.name) ?? 0) + wanted);
        const got = raised.get(key)?.get(rule.name) ?? 0;
        const byKernel = kernel.get(key)?.get(rule.name) ?? 0;
        if (got === wanted && byKernel >= wanted) continue;
        const event = same[outcome.indexOf(got < wanted)] ?? same[0];
        if (event === undefined) throw new Error(`an alert of "${rule.name}" is of no event: ${key}`);
        const kind = byKernel < wanted ? 'missed by the kernel part' : got < wanted ? 'missed' : 'raised wrongly';
        differences.push({ rule, kind, event, story: world.story.slice(-4).join('\n  ') });
      }
    }
  };

  await runAgent({
    policies,
    host: 'sim',
    enforce: false,
    log: memoryLog().log,
    onAlert: (alert) => alerts.push(alert),
    onRecord: (record) => {
      if (record.matched.length > 0)
        selected.push({
          rules: record.matched.map((index) => names[index] ?? ''),
          key: keyOf(record.pid, record.event?.type ?? ''),
        });
    },
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel: host.kernel,
      containers: staticContainers(new Map(world.containers.map((facts) => [facts.id, facts]))),
      accounts: ACCOUNTS,
      resolve: (name) => DOMAINS[name] ?? [],
      run: async (pump) => {
        for (const events of play(world)) {
          pump();
          look(events);
          alerts = [];
          selected = [];
          world.story.splice(0, world.story.length - 6);
        }
        return { calls: host.calls, problems: [] };
      },
    },
  });
  return { differences, pairs, matches, skipped, matched, events: count };
};
