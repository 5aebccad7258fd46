import type { Random } from '../../support/random.ts';
import { CALL_TABLE, type Caller } from './call-table.ts';
import { AT_FDCWD, DIRECTORY, fd, fdOf, flags, newPath, pathTo, REGULAR } from './drawing.ts';
import { type Run, startRun } from './simulation.ts';
import { ACTORS, type Outcome, type Step } from './step.ts';
import { PATHS, PROLOGUE } from './tree.ts';

const ENOSYS = -38;
const MAKES_TASK: ReadonlySet<string> = new Set(['fork', 'clone', 'clone3']);
const ENDS: ReadonlySet<string> = new Set(['exit', 'exit_group', 'kill', 'tkill', 'tgkill']);
const MOST_TASKS = 9;
/** Of the calls of a sequence. */
const MOST_FAILURES = 0.3;

const livingSlots = (run: Run): number[] => [...run.tasks.keys()].filter((slot) => run.tasks[slot]?.alive === true);

/** Who makes a call: mostly one that it suits, if there is one. */
const drawCaller = (random: Random, run: Run, suits: Caller | undefined): number => {
  const living = livingSlots(run);
  if (suits === undefined || random.chance(0.3)) return random.pick(living);
  const parents = run.tasks.map((task) => task?.parent?.tgid);
  const those = living.filter((slot) =>
    suits === 'child' ? slot >= ACTORS : parents.some((tgid) => tgid === run.tasks[slot]?.tgid),
  );
  return random.pick(those.length > 0 ? those : living);
};

const drawStep = (random: Random, run: Run, paths: readonly string[], made: number): Step => {
  const { name, draw, caller } = random.weighted(CALL_TABLE);
  const slot = drawCaller(random, run, caller);
  const step: Step = { by: slot, call: name, args: draw({ random, run, slot, paths }) };
  return MAKES_TASK.has(name) ? { ...step, child: made } : step;
};

const succeeded = ({ result }: Outcome): boolean => typeof result !== 'number' || result >= 0;

/** Whether a drawn step can be part of a sequence. */
const belongs = (step: Step, outcome: Outcome, failures: number, length: number): boolean => {
  if (outcome.result === 'waits' || outcome.result === ENOSYS) return false;
  return succeeded(outcome) || failures + 1 <= MOST_FAILURES * (length + 2) || ENDS.has(step.call);
};

/** Steps that go together, drawn one by one as those before have been made. */
type Scene = (random: Random, run: Run, slot: number, paths: readonly string[], add: (step: Step) => Outcome) => void;

const [O_DIRECTORY, O_TMPFILE, AT_EMPTY_PATH] = [0o200000, 0o20200002, 0x1000];

/** Reads a directory from its start, since where it goes on after a change hangs on the file system. */
const readDirectory: Scene = (random, run, slot, paths, add) => {
  const choice = { random, run, slot, paths };
  if (random.chance(0.6)) add({ by: slot, call: 'open', args: [pathTo(DIRECTORY)(choice), O_DIRECTORY, 0] });
  const at = random.chance(0.9) ? fdOf(DIRECTORY)(choice) : fd(choice);
  const size = random.weighted([
    [8, 8192],
    [1, 10],
  ]);
  add({ by: slot, call: 'lseek', args: [at, 0, 0] });
  add({ by: slot, call: 'getdents64', args: [at, { out: size }, size] });
};

/** Makes a file without a name, and gives it one later, maybe with other rights. */
const linkByDescriptor: Scene = (random, run, slot, paths, add) => {
  const choice = { random, run, slot, paths };
  const made = random.chance(0.7)
    ? add({ by: slot, call: 'open', args: [pathTo(DIRECTORY)(choice), O_TMPFILE | random.pick([0, 0o200]), 0o644] })
    : add({ by: slot, call: 'open', args: [pathTo(REGULAR)(choice), flags(choice), 0o644] });
  if (random.chance(0.3)) add({ by: slot, call: 'setgroups', args: [0, null] });
  if (random.chance(0.2)) add({ by: slot, call: 'prctl', args: [8, 0] });
  const at = typeof made.result === 'number' && made.result >= 0 ? made.result : fd(choice);
  add({ by: slot, call: 'linkat', args: [at, '', AT_FDCWD, newPath(choice), AT_EMPTY_PATH] });
};

const SCENES: readonly Scene[] = [readDirectory, readDirectory, linkByDescriptor];

/**
 * A sequence of 10 to 40 calls after the prologue. It is played in the simulation while it is drawn, so that there are files, descriptors and
 * processes for most calls; what Linux makes of it is not known yet.
 */
export const generateSequence = (random: Random, setUp: readonly Step[]): Step[] => {
  const run = startRun(setUp);
  for (const step of PROLOGUE) run.make(step);
  const steps: Step[] = [];
  const paths = [...PATHS];
  let [failures, made] = [0, ACTORS];
  const add = (step: Step): Outcome => {
    const outcome = run.make(step);
    if (!belongs(step, outcome, failures, steps.length)) return outcome;
    steps.push(step);
    if (!succeeded(outcome)) failures++;
    if (step.child !== undefined && typeof outcome.result === 'number' && outcome.result > 0) made++;
    for (const argument of step.args)
      if (typeof argument === 'string' && argument.startsWith('/') && argument.length < 40 && succeeded(outcome))
        paths.push(argument);
    return outcome;
  };
  const length = random.between(10, 40);
  while (steps.length < length && livingSlots(run).length > 0) {
    if (random.chance(0.05)) {
      random.pick(SCENES)(random, run, random.pick(livingSlots(run)), paths, add);
      continue;
    }
    const step = drawStep(random, run, paths, made);
    if (step.child !== undefined && made >= MOST_TASKS) continue;
    add(step);
  }
  run.end();
  return steps;
};
