import type { CallOptions, CallResult, SimArgument, SimHost, SimTask } from '../sim-host.ts';
import { AF_INET, AF_INET6, AF_UNIX, AT_EMPTY_PATH } from '../uapi.ts';
import { Descriptors } from './descriptors.ts';
import type { ScenarioObserver, StepOutcome } from './events.ts';
import { EXECUTES, FORKS } from './forms.ts';
import { noteDescriptors } from './note-descriptors.ts';
import { findProgram } from './programs.ts';
import type { Action, Program, Scenario, Step, StepArgument } from './scenario.ts';
import { type Actor, setUp, spawnIdentity } from './set-up.ts';
import { createSurroundings, type Surroundings } from './surroundings.ts';
import { expectationText, meets, resultText } from './values.ts';
import { createWatch } from './watch.ts';

/** Plays a scenario's steps on a host. */
export interface Player {
  readonly outcomes: readonly StepOutcome[];
  /** What did not go as the scenario says, one sentence each, with its place. */
  readonly problems: readonly string[];
  play(step: Step): void;
}

/** A process that steps name and that isn't there. */
interface Gone {
  /** What became of it, to follow its name: "was killed in step 7 and makes no further call". */
  readonly why: string;
  /** Where it is gone because of another: what became of that one. */
  readonly cause?: string;
  readonly byPolicy: boolean;
}

/** A step that can't be played as written: because of a policy, or because of the scenario. */
class NotPlayed extends Error {
  readonly byPolicy: boolean;
  /** What it all began with. */
  readonly root: string;

  constructor(why: string, byPolicy: boolean, root = why) {
    super(why);
    this.name = 'NotPlayed';
    this.byPolicy = byPolicy;
    this.root = root;
  }
}

/** Virtual time between two steps: long for calls, short for people. */
const STEP_NS = 10_000_000;
/** What shells exit with when a program can't be run, or isn't there. */
const NOT_RUNNABLE = 126;
const NOT_FOUND = 127;
const ENOENT = 2;

/** What steps do that make no call. */
type Quiet = Extract<Action, { kind: 'wait' | 'switch' | 'agent' }>;

const callOf = (action: Action): string => {
  if (action.kind === 'switch') return 'enforcement';
  return action.kind === 'exec' || action.kind === 'wait' || action.kind === 'agent' ? action.kind : action.call;
};

/** A socket that a step makes first comes from a system call, whatever the step's own call comes through. */
const optionsOf = (step: Step, call: string): CallOptions =>
  step.via === undefined || call !== callOf(step.action) ? { abi: step.abi } : { via: step.via };

const familyOf = (argument: SimArgument | undefined): number => {
  if (typeof argument !== 'object' || argument === null || !('port' in argument)) return AF_UNIX;
  return argument.address.includes(':') ? AF_INET6 : AF_INET;
};

/**
 * Sets a host up for a scenario, and plays its steps one by one. A call that a policy denies, and what can't happen any more
 * because of a policy, is an outcome; anything else that is not as expected is a problem.
 * @throws Error for a scenario that no host can be set up for
 */
export const createPlayer = (
  host: SimHost,
  scenario: Scenario,
  observer?: ScenarioObserver,
  surroundings: Surroundings = createSurroundings(host),
): Player => {
  const outcomes: StepOutcome[] = [];
  const problems: string[] = [];
  const watch = createWatch(host, observer);
  const actors = new Map<string, Actor | Gone>(setUp(host, scenario));
  for (const [name, actor] of actors) if ('task' in actor) watch.follow('present', name, actor.task);

  const problem = (step: Step, text: string): void => {
    problems.push(`${step.position.file}:${step.position.line}: step ${step.number}: ${text}`);
  };

  const actorOf = (name: string): Actor => {
    const actor = actors.get(name);
    if (actor === undefined) throw new NotPlayed(`${name} was never started`, false);
    if ('why' in actor) {
      const { why, cause, byPolicy } = actor;
      throw cause === undefined
        ? new NotPlayed(`${name} ${why}`, byPolicy)
        : new NotPlayed(`${name} ${why}: ${cause}`, byPolicy, cause);
    }
    return actor;
  };

  /** Makes a call, and takes note of the processes that ended in it. */
  const make = (step: Step, task: SimTask, call: string, args: readonly SimArgument[]): CallResult => {
    const result = host.call(task, call, args, optionsOf(step, call));
    for (const [ended, { signal, byPolicy }] of watch.look(call, task)) {
      const how = signal === undefined ? 'exited' : 'was killed';
      const why = `${how} in step ${step.number} and makes no further call`;
      for (const [name, actor] of actors)
        if ('task' in actor && actor.task === ended) actors.set(name, { why, byPolicy });
    }
    return result;
  };

  const descriptorOf = (name: string, { descriptors, task }: Actor): number => {
    const slot = descriptors.get(name);
    if (slot === undefined) throw new NotPlayed(`${task.name} has nothing open that is called ${name}`, false);
    if (slot.kind === 'open') return slot.fd;
    if (slot.denied) throw new NotPlayed(`it needs what ${task.name} was denied in step ${slot.step}`, true);
    return -1;
  };

  const argumentOf = (argument: StepArgument, actor: Actor): SimArgument => {
    switch (argument.kind) {
      case 'literal':
        return argument.value;
      case 'descriptor':
        return descriptorOf(argument.name, actor);
      case 'process':
        return host.pidFor(actor.task, actorOf(argument.name).task);
    }
  };

  /** What steps find under a new process's name. */
  const register = (name: string, task: SimTask, from: Actor, env: readonly string[]): void => {
    actors.set(name, { task, descriptors: new Descriptors(from.descriptors), env });
    watch.follow('started', name, task);
  };

  const killedIn = (step: Step): Gone => ({
    why: `was killed in step ${step.number} and makes no further call`,
    byPolicy: true,
  });

  const newProcess = (step: Step, action: Extract<Action, { kind: 'exec' }>, parent: Actor): SimTask | CallResult => {
    if (Object.keys(action.identity).length > 0) {
      const { task } = parent;
      const { name, exepath, argv, uid, gid, cgroup } = task;
      const inherited = { name, exepath, argv, uid, gid, cgroup, cwd: task.cwd, parent: task, env: parent.env };
      return host.spawn({ ...inherited, ...spawnIdentity(action.identity) });
    }
    const forked = make(step, parent.task, 'fork', []);
    return forked.child?.alive === true ? forked.child : forked;
  };

  /** execve of a path, execveat of an open file. */
  const execute = (
    step: Step,
    child: Actor,
    program: Program,
    argv: readonly string[],
    env: readonly string[],
  ): CallResult => {
    if (program.kind === 'descriptor') {
      return make(step, child.task, 'execveat', [descriptorOf(program.name, child), '', argv, env, AT_EMPTY_PATH]);
    }
    const path =
      program.kind === 'path' ? program.path : (findProgram(host, program.name) ?? `/usr/bin/${program.name}`);
    return make(step, child.task, 'execve', [path, argv, env]);
  };

  const exec = (step: Step, action: Extract<Action, { kind: 'exec' }>, parent: Actor): CallResult & { pid: number } => {
    const name = step.as ?? parent.task.name;
    if (action.program.kind === 'descriptor') descriptorOf(action.program.name, parent);
    const made = newProcess(step, action, parent);
    if ('result' in made) {
      actors.set(name, killedIn(step));
      return { ...made, pid: parent.task.pid };
    }
    const env = action.env ?? parent.env;
    const child: Actor = { task: made, descriptors: new Descriptors(parent.descriptors), env };
    const done = execute(step, child, action.program, action.argv, env);
    if (done.result < 0 && made.alive) {
      make(step, made, 'exit_group', [done.result === -ENOENT ? NOT_FOUND : NOT_RUNNABLE]);
      const denied = done.deniedBy !== undefined;
      const why = denied ? `was denied in step ${step.number}` : `could not be executed in step ${step.number}`;
      actors.set(name, { why: `${why} and makes no call`, byPolicy: denied });
    } else {
      register(name, made, parent, env);
      if (!made.alive) {
        watch.look('execve', made);
        actors.set(name, killedIn(step));
      }
    }
    return { ...done, pid: made.pid };
  };

  const accept = (step: Step, action: Extract<Action, { kind: 'accept' }>, actor: Actor): CallResult => {
    const args = action.arguments.map((argument) => argumentOf(argument, actor));
    if (action.from !== undefined) {
      const port = actor.descriptors.port(Number(args[0]));
      if (port === undefined || !host.network.incoming(action.from, port, action.data)) {
        throw new NotPlayed(`${actor.task.name} does not listen, so nobody can connect to it`, false);
      }
    }
    return make(step, actor.task, action.call, args);
  };

  const call = (step: Step, action: Extract<Action, { kind: 'call' }>, actor: Actor): CallResult => {
    const args = action.arguments.map((argument) => argumentOf(argument, actor));
    if (action.newSocket !== undefined) {
      const made = make(step, actor.task, 'socket', [familyOf(args[1]), action.newSocket, 0]);
      if (made.result < 0 || !actor.task.alive) return made;
      actor.descriptors.set(['socket', 'last'], { kind: 'open', fd: made.result });
      args[0] = made.result;
    }
    const done = make(step, actor.task, action.call, args);
    noteDescriptors(actor.descriptors, action.call, args, done, step.number);
    if (EXECUTES.has(action.call) && done.result === 0 && step.as !== undefined) {
      actors.set(step.as, actor.task.alive ? actor : killedIn(step));
      if (actor.task.alive) watch.follow('executed', step.as, actor.task);
    }
    if (FORKS.has(action.call) && done.result > 0) {
      const child = done.child?.alive === true ? done.child : undefined;
      const name = step.as ?? 'child';
      if (child === undefined) actors.set(name, killedIn(step));
      else register(name, child, actor, actor.env);
    }
    return done;
  };

  const act = (step: Step, action: Exclude<Action, Quiet>, actor: Actor): CallResult & { readonly pid: number } => {
    const { pid } = actor.task;
    switch (action.kind) {
      case 'exec':
        return exec(step, action, actor);
      case 'accept': {
        const done = accept(step, action, actor);
        noteDescriptors(actor.descriptors, action.call, [], done, step.number);
        return { ...done, pid };
      }
      case 'call':
        return { ...call(step, action, actor), pid };
    }
  };

  const conclude = (step: Step, outcome: StepOutcome, asExpected: boolean): void => {
    outcomes.push(outcome);
    const type = outcome.skipped !== undefined ? 'skipped' : outcome.denied ? 'denied' : 'call';
    watch.tell({ type, outcome });
    if (asExpected || outcome.denied || outcome.killed || outcome.result === undefined) return;
    const came = `${step.by}: ${step.text} returned ${resultText(outcome.result)}`;
    const { expect } = step;
    if (expect !== undefined) problem(step, `${came}; expected ${expectationText(expect)}.`);
    else problem(step, `${came}; where that is meant, write "expect: ${resultText(outcome.result)}".`);
  };

  const skip = (step: Step, { message, byPolicy, root }: NotPlayed): void => {
    const { number, text, by, action, as } = step;
    const common = { step: number, text, call: callOf(action), by, pid: undefined, result: undefined };
    if (as !== undefined) actors.set(as, { why: 'was never started', cause: root, byPolicy });
    if (!byPolicy) problem(step, `${text} can't be played: ${message}.`);
    conclude(step, { ...common, denied: false, killed: false, skipped: message }, true);
  };

  const quiet = (action: Quiet): void => {
    if (action.kind === 'wait') surroundings.pass(action.ns);
    else if (action.kind === 'switch') surroundings.switchOff(action.isOff);
    else surroundings.hang(action.hangs);
  };

  /** Before a program is started again: what is left of it from the time before comes to its end. */
  const endRound = (step: Step, everyNs: number): void => {
    const before = actors.get(step.as ?? '');
    if (before !== undefined && 'task' in before && before.task.alive) make(step, before.task, 'exit_group', [1]);
    surroundings.pass(everyNs);
  };

  const play = (step: Step): void => {
    if (step.round !== undefined && step.round.index > 1) endRound(step, step.round.everyNs);
    else surroundings.pass(STEP_NS);
    watch.tell({ type: 'step', step });
    const { number, text, by, action, expect } = step;
    const common = { step: number, text, call: callOf(action), by };
    try {
      if (by === undefined || action.kind === 'wait' || action.kind === 'switch' || action.kind === 'agent') {
        if (action.kind !== 'exec' && action.kind !== 'call' && action.kind !== 'accept') quiet(action);
        conclude(
          step,
          { ...common, pid: undefined, result: 0, denied: false, killed: false, skipped: undefined },
          true,
        );
        return;
      }
      const actor = actorOf(by);
      const { result, deniedBy, pid } = act(step, action, actor);
      const caller = action.kind === 'exec' ? actors.get(step.as ?? '') : actors.get(by);
      const killed = caller !== undefined && 'why' in caller && caller.byPolicy && deniedBy === undefined;
      const asExpected = expect === undefined ? result >= 0 : meets(expect, result);
      conclude(
        step,
        { ...common, pid, result, denied: deniedBy !== undefined, killed, skipped: undefined },
        asExpected,
      );
    } catch (error) {
      if (!(error instanceof NotPlayed)) throw error;
      skip(step, error);
    }
  };

  return { outcomes, problems, play };
};
