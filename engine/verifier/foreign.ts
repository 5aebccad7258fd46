import { type Aliases, NO_STACK } from './aliases.ts';
import { type Flow, namesFunction } from './flow.ts';
import type { Step } from './step.ts';

const ARGUMENTS = 0x3e;
const CLOBBERED = 0x3f;

/**
 * For each slot the registers, as bits, that may point into the stack frame of a calling function: those a function was given, and
 * what comes from there. A forward analysis over the control flow.
 */
export function foreignPointers(flow: Flow, aliases: Aliases): Uint16Array {
  const masks = new Uint16Array(flow.steps.length);
  const reached = new Uint8Array(flow.steps.length);
  const pending: number[] = [];
  for (const [start, mask] of givenPointers(flow, aliases)) {
    masks[start] = mask;
    reached[start] = 1;
    pending.push(start);
  }
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    const step = flow.steps[at];
    if (!step) continue;
    const mask = after(step, masks[at]!, aliases);
    for (const next of flow.successors(step)) {
      const joined = masks[next]! | mask;
      if (reached[next] === 1 && joined === masks[next]) continue;
      masks[next] = joined;
      reached[next] = 1;
      pending.push(next);
    }
  }
  return masks;
}

/** Arguments of each function that may be such pointers: any of a call's, of a helper's only the context it hands on. */
function givenPointers(flow: Flow, aliases: Aliases): ReadonlyMap<number, number> {
  const given = new Map<number, number>();
  const give = (start: number, mask: number): void => {
    given.set(start, (given.get(start) ?? 0) | mask);
  };
  give(0, 0);
  for (const step of flow.steps) {
    if (!step) continue;
    if (step.kind === 'call') give(step.target, ARGUMENTS);
    else if (namesFunction(step)) give(step.target, 0);
    const { callback, arguments: types } = step.helper ?? {};
    if (!callback || !types) continue;
    const start = aliases.code(step.at, types.indexOf('callback') + 1);
    if (start !== undefined) give(start, 2 << callback.arguments.indexOf('callback_context'));
    else for (const each of flow.functions) if (each !== 0) give(each, ARGUMENTS);
  }
  return given;
}

function after(step: Step, mask: number, aliases: Aliases): number {
  const has = (register: number): boolean => ((mask >>> register) & 1) === 1;
  const put = (register: number, foreign: boolean): number =>
    foreign ? mask | (1 << register) : mask & ~(1 << register);
  switch (step.kind) {
    case 'alu': {
      if (step.width !== 64) return put(step.dst, false);
      const source = step.register && has(step.src);
      if (step.operation === 'mov') return put(step.dst, source);
      return put(step.dst, (step.operation === 'add' || step.operation === 'sub') && (source || has(step.dst)));
    }
    case 'load':
      return put(step.dst, step.width === 64 && (has(step.src) || aliases.of(step.at, step.src) !== NO_STACK));
    case 'constant':
      return put(step.dst, false);
    case 'atomic':
      return step.operation === 'lock_cmpxchg' ? put(0, false) : mask;
    case 'helper':
    case 'callx':
    case 'kfunc':
    case 'packet':
    case 'call':
      return mask & ~CLOBBERED;
    default:
      return mask;
  }
}
