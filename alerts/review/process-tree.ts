import type { Alert } from '../alert.ts';
import type { AuditEntry } from '../audit/line.ts';
import type { Attempt } from '../enforcement.ts';

/** A process of a log; its start is nanoseconds since boot, and not known where it only is an ancestor of others. */
export interface LoggedProcess {
  readonly pid: number;
  readonly start: number | undefined;
  readonly exe: string | null;
  readonly cmdline: string | null;
  readonly uid: number | undefined;
}

/** A process where it stands in a tree, or what happened in it. */
export interface TreeStep {
  /** `process`: it is seen for the first time, or with another command line; `entry`: an alert or an attempt to deny or kill. */
  readonly type: 'process' | 'entry';
  /** Below the tree's root, which is 0. */
  readonly depth: number;
  readonly process: LoggedProcess;
  /** Why a process stands here again: it was replaced by exec, or another branch stood in between. */
  readonly again?: 'exec' | 'branch';
  readonly entry?: AuditEntry;
}

/** What becomes of one process and those that it started. */
export interface LoggedTree {
  /** The root's ancestors, the topmost first. */
  readonly above: readonly LoggedProcess[];
  /** In the order of the log. */
  readonly steps: readonly TreeStep[];
}

interface Node {
  readonly pid: number;
  start: number | undefined;
  exe: string | null;
  cmdline: string | null;
  uid: number | undefined;
  isShown: boolean;
}

type AlertEntry = AuditEntry & { readonly body: Alert };
type AttemptEntry = AuditEntry & { readonly body: Attempt };

const isAlert = (entry: AuditEntry): entry is AlertEntry =>
  entry.kind === 'alert' && (entry.body as Alert).process.pid > 0;
const isAttempt = (entry: AuditEntry): entry is AttemptEntry =>
  entry.kind === 'enforcement' && typeof (entry.body as Partial<Attempt>).pid === 'number';

/** Whether an entry can be about a process or one below it. */
export const mayBeBelow = (entry: AuditEntry, pid: number): boolean =>
  isAlert(entry)
    ? entry.body.process.pid === pid || entry.body.process.ancestors.some((each) => each.pid === pid)
    : isAttempt(entry) && (entry.body.pid === pid || entry.body.descendantOf === pid);

/** A process and its ancestors, itself first. */
const chainOf = ({ body: { process } }: AlertEntry): readonly LoggedProcess[] => [
  { pid: process.pid, start: process.start, exe: process.exe, cmdline: process.cmdline, uid: process.uid },
  ...process.ancestors.map(({ pid, exe, cmdline }) => ({ pid, start: undefined, exe, cmdline, uid: undefined })),
];

/** Processes by pid, in the order of their starts, so far as entries tell. */
const createProcesses = () => {
  const byPid = new Map<number, Node[]>();
  const knownOf = (pid: number): Node[] => {
    const known = byPid.get(pid) ?? [];
    byPid.set(pid, known);
    return known;
  };
  return {
    /** The process that had the pid when one that started at `before` was below it. */
    ancestor: ({ pid, exe, cmdline }: LoggedProcess, before: number): Node => {
      const known = knownOf(pid);
      const found =
        known.filter(({ start }) => start !== undefined && start <= before).at(-1) ??
        known.find(({ start }) => start === undefined);
      if (found !== undefined) return found;
      const node: Node = { pid, start: undefined, exe, cmdline, uid: undefined, isShown: false };
      known.unshift(node);
      return node;
    },
    own: (pid: number, start: number): Node => {
      const known = knownOf(pid);
      const found = known.find((each) => each.start === start);
      if (found !== undefined) return found;
      const node: Node = { pid, start, exe: null, cmdline: null, uid: undefined, isShown: false };
      known.push(node);
      known.sort((one, other) => (one.start ?? -1) - (other.start ?? -1));
      return node;
    },
  };
};

const asProcess = ({ pid, start, exe, cmdline, uid }: Node): LoggedProcess => ({ pid, start, exe, cmdline, uid });

/**
 * The tree below a process, of entries in the order of the log that `mayBeBelow` let pass. An ancestor is known by its pid only: it is taken for the process
 * of that pid that started last before its descendant did.
 * @param start when the root started; left out: whichever had the pid first
 * @returns undefined where no entry is about the process or one below it
 */
export const treeOf = (entries: readonly AuditEntry[], pid: number, start?: number): LoggedTree | undefined => {
  const processes = createProcesses();
  for (const entry of entries) {
    if (isAlert(entry)) processes.own(entry.body.process.pid, entry.body.process.start);
    else if (isAttempt(entry)) processes.own(entry.body.pid, entry.body.start);
  }
  let root: Node | undefined = start === undefined ? undefined : processes.own(pid, start);
  let above: readonly LoggedProcess[] | undefined;
  const steps: TreeStep[] = [];
  let branch: readonly Node[] = [];

  /** Shows the processes of a path that are not open already, the root first. */
  const show = (path: readonly Node[], told: readonly LoggedProcess[]): void => {
    let isOpen = true;
    for (const [depth, node] of path.entries()) {
      const said = told[depth];
      const isOther = said !== undefined && said.cmdline !== null && said.cmdline !== node.cmdline;
      const isSame: boolean = isOpen && branch[depth] === node;
      isOpen = isSame;
      if (said !== undefined) {
        node.exe = said.exe ?? node.exe;
        node.cmdline = said.cmdline ?? node.cmdline;
        node.uid = said.uid ?? node.uid;
      }
      if (node.isShown && isSame && !isOther) continue;
      const again = !node.isShown ? undefined : isOther ? 'exec' : 'branch';
      node.isShown = true;
      steps.push({ type: 'process', depth, process: asProcess(node), ...(again && { again }) });
    }
    branch = path;
  };

  for (const entry of entries) {
    if (isAlert(entry)) {
      const chain = chainOf(entry);
      const nodes = chain.map((each, index) =>
        index === 0 ? processes.own(each.pid, each.start ?? 0) : processes.ancestor(each, entry.body.process.start),
      );
      root ??= nodes.find((node) => node.pid === pid);
      const at = root === undefined ? -1 : nodes.indexOf(root);
      if (at < 0) continue;
      above ??= chain.slice(at + 1).toReversed();
      const path = nodes.slice(0, at + 1).toReversed();
      show(path, chain.slice(0, at + 1).toReversed());
      const node = path.at(-1);
      if (node !== undefined) steps.push({ type: 'entry', depth: at, process: asProcess(node), entry });
      continue;
    }
    if (!isAttempt(entry)) continue;
    const node = processes.own(entry.body.pid, entry.body.start);
    root ??= node.pid === pid ? node : undefined;
    const open = branch.indexOf(node);
    const parent = branch.findIndex((each) => each.pid === entry.body.descendantOf);
    if (open < 0 && parent < 0 && node !== root) continue;
    const path = open >= 0 ? branch.slice(0, open + 1) : [...branch.slice(0, parent + 1), node];
    const told = path.map((each) => (each === node ? { ...asProcess(node), exe: entry.body.exe } : asProcess(each)));
    show(path, told);
    steps.push({ type: 'entry', depth: path.length - 1, process: asProcess(node), entry });
  }
  return steps.length === 0 ? undefined : { above: above ?? [], steps };
};

/** The process that an entry is about, and its ancestors, itself first; undefined where it is about none. */
export const processesOf = (entry: AuditEntry): readonly LoggedProcess[] | undefined => {
  if (isAlert(entry)) return chainOf(entry);
  if (!isAttempt(entry)) return undefined;
  const { pid, start, exe } = entry.body;
  return [{ pid, start, exe, cmdline: null, uid: undefined }];
};
