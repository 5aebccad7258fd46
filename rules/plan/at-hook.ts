import type { HookName } from '../../engine/object/index.ts';
import { type EventType, fieldOf, type Predicate, requestTypeOf, Truth } from '../language/index.ts';
import { constant, type Placed, user } from './placed.ts';
import { HIGHEST, LOWEST, type NumberTest, oneOf } from './tests.ts';

/** What a result field comes to at a hook before the effect: the call counts as one that will succeed. */
export const assumed = (placed: Placed, name: string, hook: HookName): Placed => {
  const unknown = user(`${name} doesn't exist yet at ${hook}`);
  if (placed.kind !== 'kernel') return placed.kind === 'constant' ? placed : unknown;
  const { kernel } = placed;
  if (kernel.place !== 'number' || (kernel.of.slot !== 'fd' && kernel.of.slot !== 'result')) return unknown;
  const holds = kernel.test.ranges.some(([low, high]) => low <= 0n && high === HIGHEST);
  const fails = kernel.test.ranges.every(([, high]) => high < 0n);
  return holds ? constant(Truth.TRUE) : fails ? constant(Truth.FALSE) : unknown;
};

/** A successful exec's result is 0, and its argument registers are gone. */
export const atExec = (placed: Placed & { kind: 'kernel' }, event: EventType): Placed => {
  const { kernel } = placed;
  if (kernel.place === 'number' && kernel.of.slot === 'result')
    return constant(kernel.test.ranges.some(([low, high]) => low <= 0n && high >= 0n) ? Truth.TRUE : Truth.FALSE);
  if (kernel.place === 'number' && kernel.of.slot === 'argument')
    return user(`the arguments of ${event.type} are gone once it succeeded`);
  if (kernel.place === 'string' && kernel.of !== 'base')
    return user('the path as passed is gone once the exec succeeded; proc.exepath is known');
  return placed;
};

/** What neither the kernel nor user space can tell of an event: nothing is left to check. */
const NOBODY_KNOWS = constant(Truth.UNKNOWN);

/** A request has no result when it is submitted, and not all of its call's arguments. */
export const atSubmission = (
  placed: Placed,
  { field: { name, argument: of } }: Predicate,
  event: EventType,
): Placed => {
  if (placed.kind === 'user') return placed;
  if (fieldOf(name)?.result) return NOBODY_KNOWS;
  if (name === 'fd.num')
    return event.fd === 'result'
      ? NOBODY_KNOWS
      : user('the descriptor of a request of io_uring may be an index into its own table');
  if (placed.kind !== 'kernel') return placed;
  const { kernel } = placed;
  if (kernel.place === 'string' && kernel.of === 'text') return NOBODY_KNOWS;
  if (kernel.place === 'number' && kernel.of.slot === 'argument') {
    const member = requestTypeOf(event.type)?.members[kernel.of.index];
    if (member === undefined) return NOBODY_KNOWS;
    if (member.kind !== 'member') return user(`a request of io_uring doesn't keep evt.arg[${of ?? ''}]`);
  }
  return placed;
};

/** The new image's path is the record's file there. */
export const atBprm = (placed: Placed): Placed => {
  if (placed.kind !== 'kernel' || placed.kernel.place !== 'process') return placed;
  const { fact, test } = placed.kernel;
  if (fact === 'exepath') return { kind: 'kernel', kernel: { place: 'string', of: 'file', part: 'whole', test } };
  const memfd = oneOf(['m'].map((char) => BigInt(char.charCodeAt(0))));
  const ranges = test.negated
    ? [[LOWEST, memfd.ranges[0]![0] - 1n] as const, [memfd.ranges[0]![0] + 1n, HIGHEST] as const]
    : memfd.ranges;
  return { kind: 'kernel', kernel: { place: 'number', of: { slot: 'typechar' }, test: { ranges } } };
};

/** PTRACE_ATTACH and PTRACE_SEIZE (include/uapi/linux/ptrace.h). */
const ATTACHING: readonly bigint[] = [16n, 0x4206n];

/** lsm/ptrace_access_check is asked where a process begins to control another, and can't tell the ways to. */
export const atPtrace = (test: NumberTest): Placed => {
  const holds = ATTACHING.map((request) => test.ranges.some(([low, high]) => request >= low && request <= high));
  if (holds.every((each) => each)) return constant(Truth.TRUE);
  return user(
    "lsm/ptrace_access_check can't tell PTRACE_ATTACH and PTRACE_SEIZE apart and sees no other request; name both",
  );
};
