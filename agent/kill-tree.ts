import type { Attempt, AuditLog, Outcome } from '../alerts/index.ts';
import { type EventRecord, processKey, SPARED } from '../rules/index.ts';
import type { Kernel, KernelMap, Processes, ProcessFacts } from '../sensors/index.ts';

/** Kills the descendants of processes that programs killed for rules that ask for it. */
export interface TreeKiller {
  /** The process of an attempt was killed: its descendants in the rule's scope are killed, now and as their forks are told of. */
  condemn(attempt: Attempt, process: ProcessId & { readonly time: bigint }, scope: string): void;
  /** After the table has taken the record: what condemned processes have forked since. */
  apply(record: EventRecord): void;
}

export interface TreeOptions {
  readonly kernel: Kernel;
  readonly processes: Processes;
  readonly log: Pick<AuditLog, 'append'>;
  /** The process that this is, as the kernel knows it; 0 where it is none of the kernel's. */
  readonly ownPid: number;
  /** Whether verdicts are carried out at this moment. */
  readonly enforces: () => boolean;
  /** The maps `spared` and `protected` of the policies that run. */
  readonly map: (name: 'spared' | 'protected') => KernelMap;
}

interface ProcessId {
  readonly pid: number;
  readonly start: bigint;
}

interface Condemned {
  readonly attempt: Attempt;
  readonly scope: string;
  /** What is forked later is spared, nanoseconds since boot: a descendant that a guard spared goes on. */
  readonly until: bigint;
}

/** Condemned processes that are remembered at most, and for how many nanoseconds: as long as forks from before their end may be on their way. */
const MAX_CONDEMNED = 4096;
const REMEMBERED = 10_000_000_000n;

const keyOf = (pid: number, start: bigint): string => `${pid} ${start}`;

export const createTreeKiller = (options: TreeOptions): TreeKiller => {
  const { kernel, processes, log, ownPid } = options;
  const condemned = new Map<string, Condemned>();

  /** The guards that programs have, in user space: undefined where none holds. What is not known is spared. */
  const guardOf = ({ pid, start, exepath, exeIno }: ProcessFacts): Outcome | undefined => {
    if (!options.enforces()) return 'switched off';
    const bits = options.map('spared').lookup(processKey(pid, start))?.[0] ?? 0;
    if (pid === ownPid || (bits & SPARED.agent) !== 0) return 'suppressed: agent';
    if (pid === 1) return 'suppressed: init';
    if (exepath === '') return 'suppressed: kernel thread';
    const inodes = new Set([...options.map('protected').keys()].map((key) => inoOf(key)));
    if (inodes.size > 0 && exeIno === undefined) return 'suppressed: executable unknown';
    if (exeIno !== undefined && inodes.has(exeIno)) return 'suppressed: protected executable';
    return (bits & SPARED.containerInit) === 0 ? undefined : 'suppressed: container init';
  };
  const strike = (facts: ProcessFacts, { attempt }: Condemned): void => {
    const { pid, start, exepath, cgroup } = facts;
    const killed = guardOf(facts) ?? kernel.kill?.(pid, start) ?? 'refused';
    if (killed === 'gone') return;
    const { denied: _denied, ...own } = attempt;
    log.append('enforcement', {
      ...own,
      pid,
      start: Number(start),
      exe: exepath ?? null,
      cgroup,
      outcome: killed === 'refused' ? 'not sent' : killed,
      descendantOf: attempt.descendantOf ?? attempt.pid,
    } satisfies Attempt);
  };
  const add = (pid: number, start: bigint, by: Condemned): void => {
    const [oldest] = condemned.keys();
    if (condemned.size >= MAX_CONDEMNED && oldest !== undefined) condemned.delete(oldest);
    condemned.set(keyOf(pid, start), by);
  };
  /** Who condemned it: its parent or another ancestor that is. */
  const condemnerOf = (process: ProcessId & { readonly parentPid: number; readonly parentStart: bigint }) => {
    const known = processes.get(process.pid, process.start);
    const above = [process, ...(known === undefined ? [] : [known, ...processes.ancestors(known)])];
    return above.map(({ parentPid, parentStart }) => condemned.get(keyOf(parentPid, parentStart))).find(Boolean);
  };
  /** Strikes every living process of a scope that descends from a condemned one. */
  const sweep = (scope: string): void => {
    let isNew = true;
    while (isNew) {
      isNew = false;
      for (const facts of kernel.processes(scope)) {
        if (condemned.has(keyOf(facts.pid, facts.start))) continue;
        const by = condemnerOf(facts);
        if (by === undefined || by.scope !== scope) continue;
        add(facts.pid, facts.start, by);
        strike(facts, by);
        isNew = true;
      }
    }
  };
  return {
    condemn: (attempt, { pid, start, time }, scope) => {
      add(pid, start, { attempt, scope, until: time + REMEMBERED });
      sweep(scope);
    },
    apply: (record) => {
      if (condemned.size === 0 || record.kind !== 'fork') return;
      for (const [key, { until }] of condemned) if (until < record.time) condemned.delete(key);
      if (condemned.has(keyOf(record.pid, record.start))) return;
      const [pid, start] = [Number(record.arguments[0] ?? 0n), record.arguments[1] ?? 0n];
      const maker = processes.get(pid, start);
      const by = condemned.get(keyOf(pid, start)) ?? condemnerOf(record) ?? (maker && condemnerOf(maker));
      if (by === undefined) return;
      add(record.pid, record.start, by);
      const facts = kernel.processes(by.scope).find(({ pid, start }) => pid === record.pid && start === record.start);
      if (facts !== undefined) strike(facts, by);
    },
  };
};

const inoOf = (key: Uint8Array): bigint => new DataView(key.buffer, key.byteOffset).getBigUint64(0, true);
