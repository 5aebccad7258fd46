import type { Callback, CallbackArgument, Helper } from '../vm/index.ts';
import type { CallFacts } from './arguments.ts';
import { Rejection } from './error.ts';
import { MAX_FRAMES } from './flow.ts';
import { UNKNOWN } from './scalar.ts';
import { read, type Session } from './session.ts';
import { copyState, current, newFrame, type State } from './state.ts';
import type { Step } from './step.ts';
import { pointer, UNINITIALISED, type Value } from './value.ts';

/**
 * A helper that calls back: leaves a way on which the function runs one more round, and goes on as if there were no more
 * (push_callback_call of kernel/bpf/verifier.c). After its round the function comes back to the call, with the arguments it had.
 * @throws Rejection
 */
export function callBack(session: Session, state: State, step: Step, helper: Helper, facts: CallFacts): void {
  const { callback } = helper;
  if (callback === undefined || facts.callback === undefined) return;
  if (callback.times === 'later') throw new Rejection('functions that run after the program are not supported');
  if (state.frames.length === MAX_FRAMES) throw new Rejection(`calls nest deeper than ${MAX_FRAMES} functions`);
  const caller = current(state);
  const { id, rounds } = caller.calling ?? { id: session.nextId(), rounds: 0 };
  caller.calling = undefined;
  if (rounds >= mostRounds(state, helper, callback)) return;
  const round = copyState(state);
  round.rounds++;
  current(round).calling = { id, rounds: rounds + 1 };
  const index = session.flow.functionOf[facts.callback]!;
  const frame = newFrame(index, step.at, round.frames.length, session.nextId(), true);
  const context = helper.arguments.indexOf('callback_context') + 1;
  callback.arguments.forEach((type, n) => {
    frame.registers[n + 1] = callbackArgument(session, type, facts, caller.registers[context] ?? UNINITIALISED);
  });
  round.frames.push(frame);
  session.fork = { state: round, to: facts.callback };
}

/** How often at most the function is called, where that is known. */
function mostRounds(state: State, helper: Helper, { times }: Callback): number {
  if (times === 'once') return 1;
  const first = current(state).registers[1]!;
  return helper.name === 'bpf_loop' && first.kind === 'scalar' ? Number(first.wide.umax) : Number.POSITIVE_INFINITY;
}

function callbackArgument(session: Session, type: CallbackArgument, facts: CallFacts, context: Value): Value {
  if (typeof type === 'object') {
    const struct = session.context.btf.struct(type.struct);
    if (struct === undefined) throw new Rejection(`the kernel's BTF has no struct ${type.struct}`);
    return pointer({ kind: 'struct', struct, trusted: true });
  }
  switch (type) {
    case 'scalar':
      return UNKNOWN;
    case 'callback_context':
      return context;
    case 'dynptr':
      throw new Rejection('dynptrs are not supported');
    default:
      break;
  }
  const { map } = facts;
  if (!map) throw new Rejection('there is no map to take values from');
  switch (type) {
    case 'map':
      return pointer(map);
    case 'map_key':
      return pointer({
        kind: 'memory',
        size: map.spec.keySize,
        writable: false,
        what: `a key of map ${map.spec.name}`,
      });
    case 'map_value':
      return pointer({ kind: 'map_value', handle: map.handle, spec: map.spec });
  }
}

/** The end of a function that a helper called: back to the call, for the next round or to go on. @throws Rejection */
export function endRound(session: Session, state: State): number {
  const frame = current(state);
  const call = session.flow.steps[frame.returnTo]!;
  const { min, max } = call.helper?.callback?.returns ?? { min: 0, max: 1 };
  const result = read(state, 0);
  if (result.kind !== 'scalar') throw new Rejection(`r0 is a pointer; the callback must return ${min} to ${max}`);
  const { smin, smax } = result.wide;
  if (smin < BigInt(min) || smax > BigInt(max)) {
    const found = smin === smax ? `${smin}` : `${smin} to ${smax}`;
    throw new Rejection(`r0 is ${found} at the end of the callback; it must return ${min} to ${max}`);
  }
  const kept = state.references.find(({ id }) => id > frame.instance);
  if (kept) throw new Rejection(kept.leak);
  state.frames.pop();
  return frame.returnTo;
}
