import {
  type Compiled,
  type CorrelationState,
  type Correlator,
  createCorrelator,
  type EventRecord,
} from '../rules/index.ts';
import type { DomainNames, ProcessTable } from '../sensors/index.ts';
import type { AgentOptions } from './agent.ts';
import { openDomains } from './domains.ts';
import { createEvents, type Events, type Progress } from './events.ts';
import type { Asking } from './gate.ts';
import { createHeldBack, type HeldBackWatch } from './held-back.ts';
import type { TreeKiller } from './kill-tree.ts';
import { createLease, type Lease, realClock } from './lease.ts';
import { type Loaded, mapOf } from './load.ts';
import { createLosses, type Losses } from './losses.ts';
import type { Noise } from './noise/index.ts';
import { createOwnLimits } from './own-limits.ts';
import type { Tally } from './tally.ts';
import type { Waiting } from './waiting.ts';
import { createWindowSweep, pauseWindows, type WindowSweep } from './windows.ts';

/** Policies as they run: their object in the kernel, and what makes alerts of its records. */
export interface Generation {
  /** What its records carry. */
  readonly number: number;
  readonly policies: AgentOptions['policies'];
  readonly compiled: Compiled;
  readonly loaded: Loaded;
  readonly correlator: Correlator;
  readonly events: Events;
  readonly losses: Losses;
  readonly heldBack: HeldBackWatch;
  readonly windows: WindowSweep | undefined;
  readonly domains: DomainNames | undefined;
  readonly lease: Lease | undefined;
  /** What answers where fanotify stands for hooks. */
  readonly asking: Asking;
}

/** What all generations of an agent share. */
export interface Shared {
  readonly options: AgentOptions;
  readonly table: ProcessTable;
  readonly tally: Tally;
  readonly waiting: Waiting;
  readonly noise: Noise | undefined;
  readonly progress: Progress;
  /** Runs that the kernel left out, by hook, as far as they were found. */
  readonly missed: Map<string, number>;
  /** Kills descendants of processes that were killed; left out where nobody can. */
  readonly tree?: TreeKiller | undefined;
  /** Every record, once the table has taken it. */
  readonly onRecord: (record: EventRecord, generation: number) => void;
}

export interface GenerationOptions extends Pick<Generation, 'number' | 'policies' | 'compiled' | 'loaded' | 'asking'> {
  /** What the generation before has counted. */
  readonly before?: CorrelationState;
}

export const createGeneration = (shared: Shared, { before, ...own }: GenerationOptions): Generation => {
  const { options, table } = shared;
  const { sensor } = options;
  const { kernel } = sensor;
  const { policies, compiled, loaded } = own;
  const { maps } = loaded;
  const correlator = createCorrelator({
    rules: compiled.plan.rules,
    parentOf: ({ pid, start }) => table.get(pid, start),
    ...(before && { before }),
  });
  const clock = sensor.clock ?? (sensor.now && realClock(sensor.now));
  const lease = options.enforce && clock ? createLease(mapOf(maps, 'config'), clock, options.log) : undefined;
  const losses = createLosses({ kernel, compiled, lost: mapOf(maps, 'lost'), missed: shared.missed });
  if (options.ignore !== undefined) pauseWindows(maps, true);
  const domains = openDomains(compiled.plan.rules, sensor, options.warn);
  const limits = createOwnLimits(compiled);
  const events = createEvents({
    ...options,
    ...shared,
    policies,
    compiled,
    domains,
    correlator,
    limits,
    onRecord: (record) => {
      losses.received(record);
      shared.onRecord(record, own.number);
    },
  });
  return {
    ...own,
    correlator,
    events,
    losses,
    heldBack: createHeldBack({ kernel, compiled, buckets: mapOf(maps, 'buckets'), own: limits }),
    windows: options.ignore === undefined ? createWindowSweep(compiled, maps) : undefined,
    domains,
    lease,
  };
};
