import type { EventRecord } from '../../rules/index.ts';
import type { ProcessFacts } from '../kernel.ts';

/** A process as the agent knows it; facts are as of its last exec, or its parent's until then. */
export interface KnownProcess {
  readonly pid: number;
  readonly start: bigint;
  readonly parentPid: number;
  readonly parentStart: bigint;
  readonly name: string;
  /** Undefined where it couldn't be read. */
  readonly exepath: string | undefined;
  readonly argv: readonly string[] | undefined;
  readonly cwd: string | undefined;
  readonly memfd: boolean | undefined;
  readonly uid: number;
  readonly alive: boolean;
}

/** Ended processes that are remembered, for events still on their way and as ancestors in alerts. */
const MAX_ENDED = 4096;
/** Ancestors that alerts name at most. */
export const MAX_LISTED_ANCESTORS = 16;

/** The processes of the observed host, kept by the records of exec, fork and exit. */
export interface ProcessTable {
  add(facts: ProcessFacts): void;
  apply(record: EventRecord): void;
  get(pid: number, start: bigint): KnownProcess | undefined;
  /** Parent first; ends at the first process, or where a parent isn't known. */
  ancestors(process: { readonly parentPid: number; readonly parentStart: bigint }): Iterable<KnownProcess>;
  /** Processes that are alive. */
  readonly size: number;
}

const keyOf = (pid: number, start: bigint): string => `${pid} ${start}`;

const splitArguments = (text: string): readonly string[] => {
  const parts = text.split('\0');
  if (parts.at(-1) === '') parts.pop();
  return parts;
};

export const createProcessTable = (): ProcessTable => {
  const processes = new Map<string, KnownProcess>();
  const ended: string[] = [];
  let alive = 0;
  const put = (process: KnownProcess): void => {
    const key = keyOf(process.pid, process.start);
    if (processes.get(key)?.alive !== true) alive++;
    processes.set(key, process);
  };
  const identity = (record: EventRecord) => ({
    pid: record.pid,
    start: record.start,
    parentPid: record.parentPid,
    parentStart: record.parentStart,
    uid: record.uid,
    alive: true,
  });
  const get = (pid: number, start: bigint): KnownProcess | undefined => processes.get(keyOf(pid, start));
  return {
    add: (facts) => put({ ...facts, cwd: undefined, alive: true }),
    apply: (record) => {
      if (record.kind === 'exec') {
        const image = record.string('file');
        const argv = record.string('argv');
        const base = record.string('base');
        put({
          ...identity(record),
          name: record.comm,
          exepath: image?.state === 'present' ? image.text : undefined,
          argv: argv?.state === 'present' ? splitArguments(argv.text) : argv?.state === 'absent' ? [] : undefined,
          cwd: base?.state === 'present' ? base.text : undefined,
          memfd: record.typechar === '' ? undefined : record.typechar === 'm',
        });
      } else if (record.kind === 'fork') {
        const [pid = 0n, start = 0n] = record.arguments;
        const maker = get(Number(pid), start);
        put({
          name: maker?.name ?? record.comm,
          exepath: maker?.exepath,
          argv: maker?.argv,
          cwd: maker?.cwd,
          memfd: maker?.memfd,
          ...identity(record),
        });
      } else if (record.kind === 'exit') {
        const key = keyOf(record.pid, record.start);
        const process = processes.get(key);
        if (process?.alive !== true) return;
        alive--;
        processes.set(key, { ...process, alive: false });
        ended.push(key);
        if (ended.length > MAX_ENDED) processes.delete(ended.shift() ?? '');
      }
    },
    get,
    ancestors: function* (process) {
      let { parentPid, parentStart } = process;
      for (let depth = 0; depth < MAX_LISTED_ANCESTORS && parentPid !== 0; depth++) {
        const parent = get(parentPid, parentStart);
        if (parent === undefined) return;
        yield parent;
        ({ parentPid, parentStart } = parent);
      }
    },
    get size() {
      return alive;
    },
  };
};

/** proc.args: the arguments after the first, joined by blanks. */
export const argumentsText = (argv: readonly string[]): string => argv.slice(1).join(' ');

/** proc.cmdline: the name and the arguments. */
export const commandLine = (process: Pick<KnownProcess, 'name' | 'argv'>): string | undefined => {
  if (process.argv === undefined) return undefined;
  const rest = argumentsText(process.argv);
  return rest === '' && process.argv.length < 2 ? process.name : `${process.name} ${rest}`;
};
