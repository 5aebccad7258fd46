import { Rejection } from './error.ts';
import { namesFunction } from './flow.ts';
import { hasSince } from './level.ts';
import type { Session } from './session.ts';
import { STACK_BYTES } from './stack.ts';

/** Frames are rounded up to this (round_up_stack_depth of kernel/bpf/verifier.c), and older kernels count one byte at least. */
const FRAME_UNIT = 16;
const OLD_FRAME_UNIT = 32;

/** The most that frames below a function may take where it makes a tail call, whose program has a stack of its own. */
const MAX_BELOW_TAIL_CALL = 256;

/** Bytes of stack of the deepest chain of calls; a program without calls may use all bytes unrounded. @throws Rejection */
export function totalStack({ flow, depths, tailCalls, context }: Session): number {
  const rounded = (bytes: number): number =>
    hasSince(context.level, '6.8')
      ? Math.ceil(bytes / FRAME_UNIT) * FRAME_UNIT
      : Math.ceil(Math.max(1, bytes) / OLD_FRAME_UNIT) * OLD_FRAME_UNIT;
  const calls = flow.functions.map((): { callee: number; at: number }[] => []);
  for (const step of flow.steps) {
    if (!step || !namesFunction(step)) continue;
    calls[flow.functionOf[step.at]!]!.push({ callee: flow.functionOf[step.target]!, at: step.at });
  }
  checkTailCalls(calls, tailCalls, (index) => rounded(depths[index]!));
  const totals = new Map<number, number>();
  const open = new Set<number>();
  const total = (index: number): number => {
    const known = totals.get(index);
    if (known !== undefined) return known;
    const own = rounded(depths[index]!);
    let most = own;
    if (open.has(index)) return own;
    open.add(index);
    for (const { callee, at } of calls[index]!) {
      const chain = own + total(callee);
      if (chain > STACK_BYTES) {
        throw new Rejection(
          `the stacks of this chain of calls take ${chain} bytes, at most ${STACK_BYTES} are allowed`,
          at,
        );
      }
      most = Math.max(most, chain);
    }
    totals.set(index, most);
    return most;
  };
  return calls[0]!.length === 0 ? depths[0]! : total(0);
}

/** @throws Rejection where frames below a function that makes a tail call take too much (check_max_stack_depth_subprog) */
function checkTailCalls(
  calls: readonly (readonly { readonly callee: number; readonly at: number }[])[],
  tailCalls: ReadonlySet<number>,
  bytes: (index: number) => number,
): void {
  const most = new Map<number, number>();
  const descend = (index: number, below: number): void => {
    if ((most.get(index) ?? -1) >= below) return;
    most.set(index, below);
    const taken = below + bytes(index);
    if (taken > STACK_BYTES) return;
    for (const { callee, at } of calls[index]!) {
      if (tailCalls.has(callee) && taken >= MAX_BELOW_TAIL_CALL) {
        throw new Rejection(
          `this function makes a tail call, and the stacks below it take ${taken} bytes; they must take less than ${MAX_BELOW_TAIL_CALL}`,
          at,
        );
      }
      descend(callee, taken);
    }
  };
  if (tailCalls.size > 0) descend(0, 0);
}
