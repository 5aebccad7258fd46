import type { HookName } from '../engine/object/index.ts';
import {
  countedRules,
  EVENT_TYPES,
  type FactSource,
  fieldOf,
  type KernelPredicate,
  type Placed,
  type Placement,
  type Plan,
  type Predicate,
  predicateText,
  type Rule,
  SCOPE_FIELD,
  Truth,
} from '../rules/index.ts';
import { expectedTrust } from '../sensors/index.ts';
import { conditionTree } from './condition-tree.ts';
import { predicateCost, siteCost } from './cost-model.ts';
import type { Output } from './output.ts';
import { count, cut, type Paint } from './paint.ts';

/** What lines are made for. */
type Screen = Pick<Output, 'paint' | 'columns' | 'isTerminal'>;

/** A hook of a rule, with the event types that it decides there in one and the same way. */
export interface Site {
  readonly hook: HookName;
  readonly events: readonly string[];
  readonly placements: readonly Placement[];
}

const TRUTHS: Readonly<Record<Truth, string>> = {
  [Truth.TRUE]: 'true',
  [Truth.FALSE]: 'false',
  [Truth.UNKNOWN]: 'unknown',
  [Truth.ABSENT]: 'absent: these events have no such field',
};

const patterns = (number: number): string => count(number, 'pattern');

const PARTS = { whole: '', directory: ', its folder', filename: ', its last component', raw: '' } as const;
const STRINGS = {
  file: 'the path',
  path: 'the path as passed',
  path2: 'the second path as passed',
  base: 'the working directory',
  cwd: 'the working directory',
  text: 'the text as passed',
} as const;

const ofWhom = (depth: number | 'any'): string => {
  if (depth === 'any') return 'bits of the ancestors, each set at its exec';
  if (depth === 0) return 'bit set at exec';
  return depth === 1 ? "the parent's bit, set at its exec" : `bit of ancestor ${depth}, set at its exec`;
};

const FACTS: Readonly<Record<FactSource, string>> = {
  container: 'a truth per cgroup, which the agent fills in',
  user: 'a truth per user, which the agent fills in',
  group: 'a truth per group, which the agent fills in',
  login: 'a truth per login user, which the agent fills in',
};

/** How a program decides a predicate, in words. */
export const kernelText = (kernel: KernelPredicate): string => {
  switch (kernel.place) {
    case 'process':
      return `${ofWhom(kernel.depth)}: automaton, ${patterns(kernel.test.patterns.length)}`;
    case 'string':
      return `automaton over ${STRINGS[kernel.of]}${PARTS[kernel.part]}: ${patterns(kernel.test.patterns.length)}`;
    case 'number':
      return 'comparison of numbers';
    case 'address':
      return `comparison with ${count(kernel.test.networks.length, 'network')}`;
    case 'port':
      return 'comparison of ports';
    case 'facts':
      return FACTS[kernel.of];
    case 'scope':
      return "the task's cgroup and those above it";
  }
};

const placedText = (placed: Placed, paint: Paint): string => {
  switch (placed.kind) {
    case 'kernel':
      return `${paint.green('kernel')} ${kernelText(placed.kernel)}`;
    case 'user':
      return `${paint.yellow('after ')} ${placed.reason}`;
    case 'constant':
      return `${paint.dim('fixed ')} ${TRUTHS[placed.truth]}`;
  }
};

/** The hooks of a rule by its index in the plan, with the event types that it decides there in one way. */
export const sitesOf = (plan: Plan, index: number): readonly Site[] => {
  const byEvent = new Map<string, Placement[]>();
  for (const placement of plan.placements) {
    if (placement.rule !== index) continue;
    const key = `${placement.hook} ${placement.event}`;
    byEvent.set(key, [...(byEvent.get(key) ?? []), placement]);
  }
  const sites = new Map<string, { hook: HookName; events: string[]; placements: Placement[] }>();
  for (const placements of byEvent.values()) {
    const [first] = placements;
    if (first === undefined) continue;
    const likeness = placements.map(({ hook, event, predicate, placed }) => {
      const decided = placed.kind === 'kernel' ? kernelText(placed.kernel) : JSON.stringify(placed);
      return `${decided} ${trustText(predicate, hook, event)}`;
    });
    const key = JSON.stringify([first.hook, likeness]);
    const known = sites.get(key);
    if (known === undefined) sites.set(key, { hook: first.hook, events: [first.event], placements });
    else known.events.push(first.event);
  }
  return [...sites.values()];
};

/** How far a predicate's value can be trusted at a hook. */
export const trustText = (predicate: Predicate, hook: HookName, event: string): string => {
  const type = EVENT_TYPES.get(event);
  return type === undefined ? '' : expectedTrust(predicate.field, { hook, event: type }).join(' or ');
};

const SHOWN_EVENTS = 8;

const eventsText = (events: readonly string[]): string => {
  const shown = events.slice(0, SHOWN_EVENTS).join(', ');
  return events.length > SHOWN_EVENTS ? `${shown} and ${events.length - SHOWN_EVENTS} more` : shown;
};

/** Longer predicates are cut in the table; the assembly and `shrike check --json` have them whole. */
const MAX_TEXT = 64;

/** A row of a rule's table; nodes of the tree have a text only. */
interface Row {
  readonly text: string;
  readonly rate?: string;
  readonly trust?: string;
  readonly cost?: string;
  readonly decided?: string;
}

/** Nanoseconds in words; nothing for what is known before. */
const costText = (ns: number): string => (ns === 0 ? '' : `${ns} ns`);

const rowsOf = (rule: Rule, { hook, events, placements }: Site, paint: Paint): readonly Row[] => {
  const [event = ''] = events;
  const placedOf = new Map(placements.map(({ predicate, placed }) => [predicate, placed]));
  const row = (whole: string, predicate: Predicate | undefined): Row => {
    const text = cut(whole, MAX_TEXT);
    const placed = predicate && placedOf.get(predicate);
    if (predicate === undefined || placed === undefined) return { text };
    const isAbsent = placed.kind === 'constant' && placed.truth === Truth.ABSENT;
    return {
      text,
      rate: predicate.field.name === SCOPE_FIELD ? 'container' : (fieldOf(predicate.field.name)?.rate ?? ''),
      trust: isAbsent ? '-' : trustText(predicate, hook, event),
      cost: costText(predicateCost({ placed })),
      decided: placedText(placed, paint),
    };
  };
  const scope = placements.find(({ predicate }) => predicate.field.name === SCOPE_FIELD);
  return [
    ...(scope === undefined ? [] : [row(`${predicateText(scope.predicate)} (the policy's scope)`, scope.predicate)]),
    ...conditionTree(rule.condition, predicateText).map(({ text, predicate }) => row(text, predicate)),
  ];
};

const million = (ns: number): string => `${(1000 / ns).toFixed(1)} M`;

/** What an event costs at a hook, estimated. */
const siteCostLine = (placements: readonly Placement[]): string => {
  const { early, all, after } = siteCost(placements);
  const steps = [
    `${early} ns an event that leaves early`,
    ...(all === early ? [] : [`${all} ns one whose strings are looked at`]),
    ...(after === all ? [] : [`${after} ns one that user space decides`]),
  ];
  const most = after === early ? '' : ` to ${million(after)}`;
  return `about ${steps.join(', ')}; ${million(early)}${most} events/s on a core`;
};

const MARGIN = 6;

const siteLines = (rule: Rule, site: Site, { paint, columns, isTerminal }: Screen): readonly string[] => {
  const { hook, events, placements } = site;
  const rows = rowsOf(rule, site, paint);
  const widest = (least: string, texts: readonly string[]): number =>
    Math.max(least.length, ...texts.map((text) => [...text].length));
  const trustWidth = widest(
    'trust',
    rows.map(({ trust = '' }) => trust),
  );
  const costWidth = widest(
    'cost',
    rows.map(({ cost = '' }) => cost),
  );
  const rest = 2 + 9 + 2 + trustWidth + 2 + costWidth;
  const wanted = widest(
    'predicate',
    rows.map(({ text }) => text),
  );
  const narrow = isTerminal && MARGIN + wanted + rest + 30 > columns;
  const textWidth = narrow ? Math.min(wanted, Math.max(20, columns - MARGIN - rest)) : wanted;
  const line = (text: string, rate: string, trust: string, cost: string): string => {
    const fitting = cut(text, textWidth);
    const padding = ' '.repeat(textWidth - [...fitting].length);
    return `${fitting}${padding}  ${rate.padEnd(9)}  ${trust.padEnd(trustWidth)}  ${cost.padStart(costWidth)}`;
  };
  const inKernel = placements.filter(({ placed }) => placed.kind === 'kernel').length;
  const after = placements.filter(({ placed }) => placed.kind === 'user').length;
  const split =
    after === 0
      ? `${count(inKernel, 'predicate')} in the kernel, none after it`
      : `${count(inKernel, 'predicate')} in the kernel, ${after} after it`;
  const margin = ' '.repeat(MARGIN);
  return [
    '',
    `    ${paint.bold(`at ${hook}`)} for ${eventsText(events)}: ${split}`,
    `    ${siteCostLine(placements)}`,
    `${margin}${paint.dim(`${line('predicate', 'rate', 'trust', 'cost')}${narrow ? '' : '  decided'}`)}`,
    ...rows.flatMap(({ text, rate, trust = '', cost = '', decided = '' }) => {
      if (rate === undefined) return `${margin}${text}`;
      const head = `${margin}${line(text, rate, trust, cost)}`;
      return narrow ? [head.trimEnd(), `${margin}    ${decided}`] : `${head}  ${decided}`;
    }),
  ];
};

/** What an enforcing rule does where, and what keeps it from doing it. */
const enforcementLines = (rule: Rule, hooks: readonly HookName[], paint: Paint): readonly string[] => {
  if (rule.action === 'alert') return [];
  const [hook = ''] = hooks;
  const effect =
    rule.action === 'deny'
      ? `${hook} returns -EPERM before the call takes effect`
      : hook === 'tp_btf/sched_process_exec'
        ? `${hook} sends SIGKILL before the new program's first instruction`
        : `${hook} returns -EPERM before the call takes effect, and sends SIGKILL`;
  const mode =
    rule.mode === 'enforce'
      ? "the policy's mode is enforce, so it acts where Shrike runs with --enforce"
      : "the policy's mode is monitor, so it only says what it would do";
  const scope = rule.scope.cgroup === undefined ? 'none' : `tasks in ${rule.scope.cgroup} and below`;
  const executables = hook.startsWith('lsm/bprm') ? 'the old and the new executable' : 'the executable';
  return [
    '',
    `    ${paint.bold(rule.action)}: ${effect}`,
    `      switch  ${mode}`,
    `      scope   ${scope}`,
    '      bound   acts only on what is certain: a value that is unknown, or absent under a not, means: do not act',
    '      guards  in this order: enforcement is on; its time to live has not run out; not the agent itself; not pid 1;',
    `              not a kernel thread; ${executables} not protected (--protect), by device and inode`,
    ...(rule.action === 'kill'
      ? [
          "              before the kill: not a container's first process, as its runtime says; the executable's budget of kills",
          '              in its cgroup is not spent',
        ]
      : []),
  ];
};

/** Nanoseconds in the largest unit that they are a whole number of. */
const durationText = (nanoseconds: bigint): string => {
  const units = [
    ['h', 3_600_000_000_000n],
    ['min', 60_000_000_000n],
    ['s', 1_000_000_000n],
    ['ms', 1_000_000n],
    ['us', 1_000n],
  ] as const;
  const [name, size] = units.find(([, each]) => nanoseconds % each === 0n) ?? ['ns', 1n];
  return `${nanoseconds / size} ${name}`;
};

/** What several events of a rule come to. */
const correlationLines = (plan: Plan, index: number): readonly string[] => {
  const correlation = plan.rules[index]?.correlation;
  if (correlation === undefined) return [];
  const fields = correlation.by.map(({ name, argument }) => (argument === undefined ? name : `${name}[${argument}]`));
  const tree = correlation.kind === 'sequence' && correlation.tree ? ['proc.tree'] : [];
  const by = [...tree, ...fields].join(', ');
  const common = `within ${durationText(correlation.within)}${by === '' ? '' : ` by ${by}`}`;
  if (correlation.kind === 'sequence')
    return [
      `  step ${correlation.step} of ${correlation.steps} ${common}, put together in user space${correlation.step === 1 ? '' : `; the kernel hands it over when step ${correlation.step - 1} came in that time`}`,
    ];
  const where = countedRules(plan).some(({ rule }) => rule === index) ? 'the kernel' : 'user space';
  return [`  raised by more than ${count(correlation.moreThan, 'match', 'matches')} ${common}, counted in ${where}`];
};

/** Which alerts of a rule are told of together. */
const aggregateLines = ({ aggregate }: Rule): readonly string[] => {
  if (aggregate === undefined) return [];
  const fields = aggregate.by?.map(({ name, argument }) => (argument === undefined ? name : `${name}[${argument}]`));
  const by =
    fields === undefined
      ? 'the same output'
      : fields.length === 0
        ? 'whatever values'
        : `the same ${fields.join(', ')}`;
  return [`  matches with ${by} within ${durationText(aggregate.within)} of the first are counted in one more alert`];
};

/** What becomes of one rule of a plan, as lines of text. */
export const explainRule = (plan: Plan, index: number, screen: Screen): readonly string[] => {
  const { paint } = screen;
  const rule = plan.rules[index];
  if (rule === undefined) return [];
  const sites = sitesOf(plan, index);
  const { file, line } = rule.position;
  const tags = rule.tags.length > 0 ? `, tags ${rule.tags.join(', ')}` : '';
  return [
    `${paint.bold(`rule ${rule.name}`)}  ${paint.dim(`${file}:${line}`)}`,
    ...(rule.description === '' ? [] : [`  ${rule.description.trim()}`]),
    `  priority ${rule.priority}, action ${rule.action}${tags}`,
    ...correlationLines(plan, index),
    ...aggregateLines(rule),
    ...(sites.length === 0 ? ['', '    no hook: the rule can never match'] : []),
    ...sites.flatMap((site) => siteLines(rule, site, screen)),
    ...enforcementLines(rule, [...new Set(sites.map((site) => site.hook))], paint),
  ];
};
