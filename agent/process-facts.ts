import { type Compiled, type EventRecord, processKey, processValue } from '../rules/index.ts';
import {
  argumentsText,
  commandLine,
  type Kernel,
  type KernelMap,
  type KnownProcess,
  type ProcessFacts,
  type ProcessTable,
} from '../sensors/index.ts';

/** BPF_NOEXIST (include/uapi/linux/bpf.h): what a program has put there since is newer. */
const ONLY_NEW = 1;

type Image = Pick<KnownProcess, 'name' | 'exepath' | 'argv' | 'memfd'> & Partial<Pick<KnownProcess, 'env' | 'layer'>>;

const factsText = (process: Image) => ({
  name: process.name,
  exe: process.argv && (process.argv[0] ?? ''),
  exepath: process.exepath,
  args: process.argv && argumentsText(process.argv),
  cmdline: commandLine(process),
  memfd: process.memfd,
  env: process.env?.join(' '),
  upper: process.layer && process.layer === 'upper',
  lower: process.layer && process.layer === 'lower',
});

/** What the table knows, and where it doesn't, what was read. */
const bothOf = (known: KnownProcess, facts: ProcessFacts): Image => {
  const env = known.env ?? facts.env;
  const layer = known.layer ?? facts.layer;
  return {
    name: known.name,
    exepath: known.exepath ?? facts.exepath,
    argv: known.argv ?? facts.argv,
    memfd: known.memfd ?? facts.memfd,
    ...(env && { env }),
    ...(layer && { layer }),
  };
};

/** Keeps the kernel's facts of processes complete where its programs can't: for processes that were there before them. */
export interface ProcessFill {
  /** Reads the processes there are into the table and into the kernel's map, and returns them. Call it once the lifecycle programs are attached. */
  snapshot(): readonly ProcessFacts[];
  /** The same where the table knows processes already: what it says of them goes first. Call it once it has taken what came before the programs. */
  resume(): readonly ProcessFacts[];
  /** A process is known by its exact start now, and the kernel has no facts of it. */
  add(process: KnownProcess): void;
  /** After the table has taken the record: children of processes that the kernel knew nothing of yet, and ends. A `foreign` record is another object's, which does not tell what this one's programs know. */
  apply(record: EventRecord, foreign: boolean): void;
  /**
   * After records were lost, and the table has taken the processes there are: takes away what it put there for processes that have ended, and puts there what is
   * missing, such as a process whose maker the kernel did not know.
   */
  repair(all: readonly ProcessFacts[]): void;
}

export interface ProcessFillOptions {
  readonly kernel: Kernel;
  readonly scope: string;
  readonly compiled: Compiled;
  readonly table: ProcessTable;
  /** The object's map `processes`. */
  readonly map: KernelMap;
}

export const createProcessFill = ({ kernel, scope, compiled, table, map }: ProcessFillOptions): ProcessFill => {
  const { processes: layout } = compiled;
  /** Processes whose facts user space put there, by id their starts: their exits may have been before that. */
  const own = new Map<number, Set<bigint>>();
  const put = (pid: number, start: bigint, image: Image): void => {
    if (map.update(processKey(pid, start), processValue(layout, factsText(image)), ONLY_NEW) !== 0) return;
    const starts = own.get(pid);
    if (starts === undefined) own.set(pid, new Set([start]));
    else starts.add(start);
  };
  const remove = (pid: number, start: bigint): void => {
    const starts = own.get(pid);
    if (starts?.delete(start) !== true) return;
    if (starts.size === 0) own.delete(pid);
    map.delete(processKey(pid, start));
  };
  /** Puts a process there that the kernel has no facts of; `onNew` is called for one that the table does not know. */
  const complete = (facts: ProcessFacts, onNew: () => void): void => {
    const known = facts.coarse === true ? table.living(facts.pid) : table.get(facts.pid, facts.start);
    if (known === undefined) onNew();
    if (known !== undefined) put(known.pid, known.start, bothOf(known, facts));
    else if (facts.coarse !== true) put(facts.pid, facts.start, facts);
  };
  return {
    snapshot: () => {
      const all = kernel.processes(scope);
      for (const facts of all) {
        table.add(facts);
        if (facts.coarse !== true) put(facts.pid, facts.start, facts);
      }
      return all;
    },
    resume: () => {
      const all = kernel.processes(scope);
      for (const facts of all) complete(facts, () => table.add(facts));
      return all;
    },
    repair: (all) => {
      for (const [pid, starts] of [...own])
        for (const start of [...starts]) if (table.get(pid, start)?.alive !== true) remove(pid, start);
      for (const facts of all) complete(facts, () => undefined);
    },
    add: (process) => put(process.pid, process.start, process),
    apply: (record, foreign) => {
      if (record.kind === 'fork' && (foreign || record.arguments[2] === 0n)) {
        const child = table.get(record.pid, record.start);
        if (child?.alive) put(child.pid, child.start, child);
      } else if (record.kind === 'exit') {
        remove(record.pid, record.start);
      }
    },
  };
};
