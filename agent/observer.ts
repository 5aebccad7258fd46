import type { FeatureLevel } from '../engine/object/index.ts';
import type { Policy } from '../policies/index.ts';
import {
  type Action,
  type Compiled,
  compile,
  EVENT_TYPES,
  type EventRecord,
  EXEC_EVENTS,
  type FieldSource,
  OPEN_EVENTS,
  type Rule,
  usedFields,
} from '../rules/index.ts';
import { type DomainNames, fieldsOf, NO_CONTAINERS, type ProcessTable, type Sensor } from '../sensors/index.ts';
import { runAgent } from './agent.ts';
import { createMemoryLog } from './memory-log.ts';

/** An event in a policy's scope, whatever its rules say of it. */
export interface ObservedEvent {
  readonly record: EventRecord;
  /** What each field comes to; to be asked before the next event. */
  readonly source: FieldSource;
}

/** Event types that a rule can deny or kill at. */
const ACTED_ON: readonly string[] = [...OPEN_EVENTS.filter((type) => type !== 'creat'), ...EXEC_EVENTS, 'connect'];

/** Rules that every event matches in the scope of a policy, one an action: rules that act are asked at hooks of their own. Nothing is done at a match. */
const observingRules = (policy: Policy): readonly Rule[] => {
  /** What its rules name is read, and is in the records: a template of it all says so. */
  const parts = [...usedFields(policy.rules)].map((name) => ({ name, transformers: [] }));
  const actions = new Set<Action>(policy.rules.map(({ action }) => action));
  return [...actions].flatMap((action) => {
    const rule = policy.rules.find((each) => each.action === action);
    if (rule === undefined) return [];
    const { correlation: _correlation, limit: _limit, ...own } = rule;
    const { span } = rule.condition;
    return {
      ...own,
      name: `every event (${action})`,
      condition: { kind: 'constant', value: true, span } as const,
      on: action === 'alert' ? [...EVENT_TYPES.keys()] : ACTED_ON,
      output: { text: '', parts },
      priority: 'debug' as const,
      mode: 'monitor' as const,
    };
  });
};

/** Programs that hand over every event in a policy's scope, beside those of the policy. */
export const compileObserver = (policy: Policy, level: FeatureLevel): Compiled =>
  compile(observingRules(policy), { level });

/** For `runAgent`: hands over what the observing rules match. */
const listener = (sensor: Sensor, onEvent: (event: ObservedEvent) => void, domains: DomainNames | undefined) => {
  const { kernel, containers = NO_CONTAINERS } = sensor;
  let number = 0;
  return (record: EventRecord, processes: ProcessTable): void => {
    number++;
    if (record.matched.length === 0) return;
    const source = fieldsOf(record, {
      processes,
      number,
      wallTime: kernel.wallTime(record.time),
      cgroupPath: (id) => kernel.cgroupPath(id),
      containers,
      accounts: sensor.accounts,
      domains,
    });
    onEvent({ record, source });
  };
};

/** Lets everything happen that a sensor has, and hands over every event; returns the sensor's problems. `domains` are closed at the end. */
export const watchAll = async (
  sensor: Sensor,
  compiled: Compiled,
  onEvent: (event: ObservedEvent) => void,
  domains?: DomainNames,
): Promise<readonly string[]> => {
  try {
    const { problems } = await runAgent({
      policies: [],
      compiled,
      sensor,
      host: 'observer',
      enforce: false,
      log: createMemoryLog('observer'),
      ignore: () => true,
      onRecord: listener(sensor, onEvent, domains),
    });
    return problems;
  } finally {
    domains?.close();
  }
};

/**
 * A sensor that lets the same things happen, with programs of an observer beside those of whoever runs it: `onEvent` gets every event in the
 * policy's scope, in their order. What the observed programs do is not changed by it. `domains` are closed at the end.
 */
export const observed = (
  sensor: Sensor,
  compiled: Compiled,
  onEvent: (event: ObservedEvent) => void,
  domains?: DomainNames,
): Sensor => {
  const { kernel, kind, scope } = sensor;
  const run: Sensor['run'] = async (pump, signal) => {
    let pumpObserver = (): void => undefined;
    let finish = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const observer = runAgent({
      policies: [],
      compiled,
      sensor: {
        kind,
        kernel,
        scope,
        run: async (pumpIt) => {
          pumpObserver = pumpIt;
          await ended;
          return { calls: 0, problems: [] };
        },
      },
      host: 'observer',
      enforce: false,
      log: createMemoryLog('observer'),
      ignore: () => true,
      onRecord: listener(sensor, onEvent, domains),
    });
    try {
      return await sensor.run(() => {
        pump();
        pumpObserver();
      }, signal);
    } finally {
      finish();
      domains?.close();
      await observer;
    }
  };
  return { ...sensor, run };
};
