import { type AncestorGlance, ancestorsIn, type ProcessGlance } from './glance.ts';

/** How often something happened at a place, and from when to when. */
export interface Hits {
  count: number;
  /** ISO 8601. */
  first: string;
  last: string;
  firstSeq: number;
  lastSeq: number;
}

/** A process, or many that are alike and are counted together. */
export interface ProcessNode {
  /** Undefined where it stands for several processes. */
  readonly pid: number | undefined;
  start: number | undefined;
  readonly exe: string | null;
  cmdline: string | null;
  uid: number | undefined;
  /** Told apart by pid and start, as far as they are counted ({@link MOST_COUNTED} in all). */
  readonly processes: Set<number> | undefined;
  /** Processes of all executables beyond what is told apart. */
  readonly isOther: boolean;
  readonly children: Map<string, ProcessNode>;
  /** By what was counted: the keys that `add` was given. */
  readonly hits: Map<string, Hits>;
}

/** A process without its ancestors. */
export type ProcessName = Pick<ProcessGlance, 'pid' | 'start' | 'exe'>;

/** Where something happened. */
export interface Place {
  readonly process: ProcessGlance;
  readonly ancestorsText: string;
}

export interface Happening {
  readonly key: string;
  readonly time: string;
  readonly seq: number;
}

/** The processes that a log names, in as many nodes as a page can show. */
export interface ProcessTree {
  /** Processes without parents. */
  readonly roots: ReadonlyMap<string, ProcessNode>;
  readonly nodes: number;
  /** Whether processes were left uncounted in `processes` of nodes that stand for several. */
  readonly isCapped: boolean;
  add(place: Place, happening: Happening): void;
  /** The same for a process whose ancestors only an alert names, which stands close to it in the log. */
  addAlone(process: ProcessName, happening: Happening): void;
  /** Gives what is left of `addAlone` places of their own. */
  end(): void;
}

/** Children of one executable that get a node each. */
const MOST_ALIKE = 8;
/** Executables below one process that are told apart. */
const MOST_EXECUTABLES = 40;
const MOST_NODES = 1_200;
const MOST_COUNTED = 100_000;
/** Lists of ancestors, and processes, whose place is kept at hand. */
const MOST_AT_HAND = 10_000;
/** Processes that wait for an alert to name their ancestors. */
const MOST_WAITING = 2_000;
const MOST_DEPTH = 32;

const emptyNode = (more: Partial<ProcessNode>): ProcessNode => ({
  pid: undefined,
  start: undefined,
  exe: null,
  cmdline: null,
  uid: undefined,
  processes: undefined,
  isOther: false,
  children: new Map(),
  hits: new Map(),
  ...more,
});

/** One number for a process: starts are nanoseconds, so that hardly two have the same. */
const identity = ({ pid, start }: Pick<ProcessGlance, 'pid' | 'start'>): number =>
  start === 0 ? -pid : 2 * start + (pid & 1);

const count = ({ hits }: ProcessNode, { key, time, seq }: Happening): void => {
  const known = hits.get(key);
  if (known === undefined) {
    hits.set(key, { count: 1, first: time, last: time, firstSeq: seq, lastSeq: seq });
    return;
  }
  known.count++;
  if (time < known.first) {
    known.first = time;
    known.firstSeq = seq;
  }
  if (time >= known.last) {
    known.last = time;
    known.lastSeq = seq;
  }
};

export const createProcessTree = (): ProcessTree => {
  const root = emptyNode({});
  const atHand = new Map<string, ProcessNode>();
  /** Nodes of the processes that came last, by their identity, and of those before them. */
  let recent = new Map<number, ProcessNode>();
  let older = new Map<number, ProcessNode>();
  const waiting = new Map<number, { readonly process: ProcessName; readonly happenings: Happening[] }>();
  let nodes = 0;
  let counted = 0;
  let isCapped = false;

  const add = (parent: ProcessNode, key: string, made: () => ProcessNode): ProcessNode => {
    const known = parent.children.get(key);
    if (known !== undefined) return known;
    const node = made();
    parent.children.set(key, node);
    nodes++;
    return node;
  };
  const others = (parent: ProcessNode): ProcessNode =>
    add(parent, 'others', () => emptyNode({ isOther: true, processes: new Set() }));
  const alike = (parent: ProcessNode, exe: string | null): ProcessNode => {
    const key = `all ${exe}`;
    if (!parent.children.has(key) && (nodes >= MOST_NODES || parent.children.size >= MOST_EXECUTABLES * 4))
      return others(parent);
    return add(parent, key, () => emptyNode({ exe, processes: new Set() }));
  };
  const isSeveral = ({ processes }: ProcessNode): boolean => processes !== undefined;

  /** The node of a process below another; a new one where there is room for it. */
  const child = (parent: ProcessNode, process: AncestorGlance & { readonly start?: number }): ProcessNode => {
    const { pid, exe, cmdline, start } = process;
    if (isSeveral(parent)) return parent.isOther ? parent : alike(parent, exe);
    const key = `${pid} ${exe}`;
    const known = parent.children.get(key);
    if (known !== undefined && (start === undefined || known.start === undefined || known.start === start)) {
      if (start !== undefined) known.start = start;
      return known;
    }
    const exact = start === undefined ? key : `${key} ${start}`;
    const again = parent.children.get(exact);
    if (again !== undefined) return again;
    let same = 0;
    const executables = new Set<string | null>();
    for (const each of parent.children.values()) {
      executables.add(each.exe);
      if (each.exe === exe) same++;
    }
    if (nodes >= MOST_NODES || (executables.size >= MOST_EXECUTABLES && !executables.has(exe))) return others(parent);
    if (same >= MOST_ALIKE) return alike(parent, exe);
    return add(parent, known === undefined ? key : exact, () => emptyNode({ pid, start, exe, cmdline }));
  };

  const parentOf = (ancestorsText: string): ProcessNode => {
    const known = atHand.get(ancestorsText);
    if (known !== undefined) return known;
    const node = ancestorsIn(ancestorsText).slice(-MOST_DEPTH).reduceRight(child, root);
    if (atHand.size >= MOST_AT_HAND) atHand.clear();
    atHand.set(ancestorsText, node);
    return node;
  };
  const countProcess = ({ processes }: ProcessNode, process: Pick<ProcessGlance, 'pid' | 'start'>): void => {
    if (processes === undefined || isCapped) return;
    const before = processes.size;
    processes.add(identity(process));
    counted += processes.size - before;
    isCapped = counted >= MOST_COUNTED;
  };
  const place = (process: ProcessName, happenings: readonly Happening[]): void => {
    const node = child(root, { ...process, cmdline: null });
    countProcess(node, process);
    for (const happening of happenings) count(node, happening);
  };

  return {
    get roots() {
      return root.children;
    },
    get nodes() {
      return nodes;
    },
    get isCapped() {
      return isCapped;
    },
    add({ process, ancestorsText }, happening) {
      const node = child(parentOf(ancestorsText), process);
      node.uid ??= process.uid;
      if (node.pid !== undefined) node.cmdline = process.cmdline;
      countProcess(node, process);
      count(node, happening);
      const one = identity(process);
      recent.set(one, node);
      if (recent.size >= MOST_AT_HAND) {
        older = recent;
        recent = new Map();
      }
      if (waiting.size === 0) return;
      for (const each of waiting.get(one)?.happenings ?? []) count(node, each);
      waiting.delete(one);
    },
    addAlone(process, happening) {
      const one = identity(process);
      const known = recent.get(one) ?? older.get(one);
      if (known !== undefined) {
        count(known, happening);
        return;
      }
      const held = waiting.get(one);
      if (held !== undefined) {
        held.happenings.push(happening);
        return;
      }
      waiting.set(one, { process, happenings: [happening] });
      if (waiting.size <= MOST_WAITING) return;
      const [oldest] = waiting;
      if (oldest === undefined) return;
      waiting.delete(oldest[0]);
      place(oldest[1].process, oldest[1].happenings);
    },
    end() {
      for (const { process, happenings } of waiting.values()) place(process, happenings);
      waiting.clear();
    },
  };
};
