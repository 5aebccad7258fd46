import type { EventRecord, WindowRecord } from '../codegen/index.ts';
import { type FieldRef, type FieldSource, type FieldValue, fieldOf, type TemplateField } from '../language/index.ts';
import type { Rule } from '../rule.ts';
import { createLineage, type Kin, type Known, type Lineage, type ProcessId } from './lineage.ts';
import { createSequence, type SequenceLimits, type SequenceState } from './sequence.ts';
import type { Correlation, Dropped, Occurrence } from './spec.ts';
import { createThreshold, type ThresholdLimits, type ThresholdState } from './threshold.ts';

/** What several events came to, for an alert. */
export interface Correlated {
  readonly kind: Correlation['kind'];
  /** Matches in the window, or steps. */
  readonly count: number;
  /** Nanoseconds. */
  readonly within: bigint;
  /** What the events have in common. */
  readonly key: readonly { readonly field: FieldRef; readonly value: FieldValue }[];
  /** Nanoseconds since boot of the first and the last event. */
  readonly from: bigint;
  readonly to: bigint;
  /** The last matches of a threshold, or all steps. */
  readonly events: readonly Occurrence[];
  /** Fields of a step's event (from 1) that the output names. */
  readonly step?: (step: number) => FieldSource | undefined;
}

/** What was let go of for want of room, by rule, since it was last asked for. */
export interface DroppedByRule extends Readonly<Dropped> {
  readonly rule: string;
}

/** What correlation has counted so far, by what the rule says: rules that are the same go on with it. */
export interface CorrelationState {
  readonly rules: ReadonlyMap<string, ThresholdState | SequenceState>;
  readonly lineage: Lineage;
}

/** What is read of a record about the tree of processes. */
export type KinRecord = Pick<EventRecord, 'kind' | 'pid' | 'start' | 'parentPid' | 'parentStart' | 'arguments'>;

/** Looks at matches of several events together. */
export interface Correlator {
  /** Takes the makers of new processes; call it for every record in front of `correlate`, and `ended` behind it. */
  began(record: KinRecord): void;
  ended(record: KinRecord): void;
  /** The record's process in the tree of processes; undefined where no rule goes by trees. */
  kinOf(record: KinRecord): Kin | undefined;
  /** Fields of the event that have to be there for `correlate`: the key's, what the output names of this step, and slow ones of the alert. */
  reads(rule: number): readonly FieldRef[];
  /** Takes a match of a rule; where it completes a threshold or a sequence, says what. */
  correlate(rule: number, match: Occurrence, fields: FieldSource, kin: Kin | undefined): Correlated | undefined;
  /** Takes matches that a program has counted and not handed over one by one. */
  counted(window: WindowRecord): void;
  /** Puts matches of one event in their order: later steps of a sequence come first, so that no event follows itself. */
  order(rules: readonly number[]): readonly number[];
  dropped(): readonly DroppedByRule[];
  readonly state: CorrelationState;
}

export interface CorrelatorOptions {
  readonly rules: readonly Rule[];
  /** What is known of a process; asked for those whose forks were not seen. */
  readonly parentOf: (process: ProcessId) => Known | undefined;
  /** What another correlator has counted: its rules that are here too go on with it. */
  readonly before?: CorrelationState;
  readonly limits?: ThresholdLimits & SequenceLimits;
}

interface Correlating {
  readonly correlation: Correlation;
  readonly state: ThresholdState | SequenceState;
  readonly by: readonly FieldRef[];
  readonly shown: readonly FieldRef[];
  readonly reads: readonly FieldRef[];
}

const ABSENT: FieldValue = { state: 'absent' };

const nameOf = (field: FieldRef): string =>
  field.argument === undefined ? field.name : `${field.name}[${field.argument}]`;

/** Values that are the same give the same text, others another; so do what is absent, and what is unknown. */
const keyText = (value: FieldValue): string => {
  if (value.state !== 'present') return value.state;
  const items = typeof value.value === 'object' ? value.value : [String(value.value)];
  return items.map((item) => `${item.length}:${item}`).join(',');
};

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? `${part}n` : part instanceof Uint8Array ? [...part] : part,
  );

/** What a rule counts, as a text: steps of one sequence have the same. */
const identitiesOf = (rules: readonly Rule[]): ReadonlyMap<string, string> => {
  const parts = new Map<string, unknown[]>();
  for (const rule of rules) {
    if (rule.correlation === undefined) continue;
    const place = `${rule.policy}\n${rule.name}`;
    const { position: _, by, within, ...counted } = rule.correlation;
    const own = [rule.condition, rule.on, rule.scope.cgroup, counted, within, by.map(nameOf)];
    parts.set(place, [...(parts.get(place) ?? []), own]);
  }
  return new Map([...parts].map(([place, own]) => [place, `${place}\n${textOf(own)}`]));
};

const refOf = ({ name, argument }: TemplateField): FieldRef => {
  const span = { start: 0, end: 0 };
  return argument === undefined ? { name, span } : { name, argument, span };
};

/** Fields of the output that a container's runtime is asked for: an alert that can come of this event waits for them. */
const slowOf = (rule: Rule, correlation: Correlation): readonly FieldRef[] =>
  correlation.kind === 'sequence' && correlation.step < correlation.steps
    ? []
    : rule.output.parts.flatMap((part) =>
        typeof part === 'string' || part.step !== undefined || fieldOf(part.name)?.rate !== 'container'
          ? []
          : refOf(part),
      );

const shownOf = (rule: Rule, correlation: Correlation): readonly FieldRef[] =>
  correlation.kind === 'threshold'
    ? []
    : rule.output.parts.flatMap((part) =>
        typeof part === 'string' || part.step !== correlation.step ? [] : refOf(part),
      );

const valuesOf = (fields: readonly FieldRef[], source: FieldSource): FieldSource => {
  const values = new Map(fields.map((field) => [nameOf(field), source(field)]));
  return (field) => values.get(nameOf(field)) ?? ABSENT;
};

/** A correlator for the rules of a plan; rules without a threshold and of no sequence it is not asked about. */
export const createCorrelator = ({ rules, parentOf, before, limits }: CorrelatorOptions): Correlator => {
  const identities = identitiesOf(rules);
  const states = new Map<string, ThresholdState | SequenceState>();
  const names = new Map<string, string>();
  const told = new Map<string, Dropped>();
  const stateOf = (rule: Rule, correlation: Correlation): ThresholdState | SequenceState => {
    const identity = identities.get(`${rule.policy}\n${rule.name}`) ?? '';
    const kept = before?.rules.get(identity);
    if (kept !== undefined) told.set(identity, { ...kept.dropped });
    const made =
      states.get(identity) ??
      kept ??
      (correlation.kind === 'threshold' ? createThreshold(correlation, limits) : createSequence(correlation, limits));
    states.set(identity, made);
    names.set(identity, rule.name);
    return made;
  };
  const correlating = rules.map((rule): Correlating | undefined => {
    const { correlation } = rule;
    if (correlation === undefined) return undefined;
    const state = stateOf(rule, correlation);
    const { by } = correlation;
    const shown = shownOf(rule, correlation);
    return { correlation, state, by, shown, reads: [...by, ...shown, ...slowOf(rule, correlation)] };
  });
  const isTree = rules.some(({ correlation }) => correlation?.kind === 'sequence' && correlation.tree);
  const hasSteps = rules.some(({ correlation }) => correlation?.kind === 'sequence');
  const lineage = before?.lineage ?? createLineage(parentOf);
  const stepOf = (rule: number): number => {
    const correlation = correlating[rule]?.correlation;
    return correlation?.kind === 'sequence' ? correlation.step : 0;
  };
  return {
    state: { rules: states, lineage },
    began: (record) => {
      if (!isTree || record.kind !== 'fork') return;
      const [pid = 0n, start = 0n] = record.arguments;
      lineage.forked(record, { pid: Number(pid), start });
    },
    ended: (record) => {
      if (isTree && record.kind === 'exit') lineage.exited(record);
    },
    kinOf: (record) => (isTree ? lineage.of(record) : undefined),
    reads: (rule) => correlating[rule]?.reads ?? [],
    order: (matched) =>
      hasSteps && matched.length > 1 ? matched.toSorted((one, other) => stepOf(other) - stepOf(one)) : matched,
    correlate: (rule, match, fields, kin) => {
      const found = correlating[rule];
      if (found === undefined) return undefined;
      const { correlation, state, by, shown } = found;
      const key = by.map((field) => ({ field, value: fields(field) }));
      const text = key.map(({ value }) => keyText(value)).join(' ');
      const common = { within: correlation.within, key };
      if (state.kind === 'threshold') {
        const exceeded = state.count(text, match);
        return exceeded && { kind: 'threshold', ...common, ...exceeded };
      }
      if (correlation.kind !== 'sequence') return undefined;
      const values = valuesOf(shown, fields);
      const steps = state.match(correlation.step, text, { ...match, values }, correlation.tree ? kin : undefined);
      if (steps === undefined) return undefined;
      const from = steps[0]?.time ?? match.time;
      const step = (number: number): FieldSource | undefined => steps[number - 1]?.values;
      return { kind: 'sequence', ...common, count: steps.length, from, to: match.time, events: steps, step };
    },
    counted: ({ rule, key, times }) => {
      const found = correlating[rule];
      if (found?.state.kind !== 'threshold') return;
      const values = key.slice(0, found.by.length);
      const text = values.map((value) => keyText({ state: 'present', value: BigInt(value), trust: 'resolved' }));
      found.state.add(text.join(' '), times);
    },
    dropped: () =>
      [...states].flatMap(([identity, { dropped }]) => {
        const known = told.get(identity) ?? { keys: 0, matches: 0 };
        const keys = dropped.keys - known.keys;
        told.set(identity, { ...dropped });
        return keys === 0 ? [] : { rule: names.get(identity) ?? '', keys, matches: dropped.matches - known.matches };
      }),
  };
};
