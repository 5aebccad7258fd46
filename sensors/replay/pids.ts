import type { StraceLine } from './line.ts';

/** The id of a process of which the recording tells none (strace without -f). */
const NAMELESS_PID = 1000;

const CHILD = /= (\d+)/;

/** Ids of the processes and threads that others made. */
const childrenOf = (lines: Iterable<StraceLine>): ReadonlySet<number> => {
  const children = new Set<number>();
  for (const { body } of lines) {
    if (body.kind === 'attached') children.add(body.pid);
    const name = body.kind === 'resumed' ? body.name : body.kind === 'call' ? body.text.split('(', 1)[0] : '';
    if (!/^(?:v?fork|clone3?)$/.test(name ?? '')) continue;
    const child = CHILD.exec((body as { text: string }).text.slice(-40))?.[1];
    if (child !== undefined) children.add(Number(child));
  }
  return children;
};

/**
 * Says whose line each is, called once a line in order. Without -o, strace -f leaves the pid out while there is one process: such a
 * line is that of the only one that still lives.
 */
export const createPidResolver = (lines: readonly StraceLine[]): ((line: StraceLine) => number) => {
  const children = childrenOf(lines);
  const named = lines.find((line) => line.pid !== undefined && !children.has(line.pid))?.pid;
  const first = named ?? NAMELESS_PID;
  const alive = new Set<number>([first]);
  return (line) => {
    const [sole] = alive.size === 1 ? alive : [first];
    const pid = line.pid ?? sole ?? first;
    alive.add(pid);
    if (line.body.kind === 'attached') alive.add(line.body.pid);
    if (line.body.kind === 'exited' || line.body.kind === 'killed') alive.delete(pid);
    return pid;
  };
};
