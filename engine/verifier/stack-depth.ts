import { Rejection } from './error.ts';
import { namesFunction } from './flow.ts';
import type { Session } from './session.ts';
import { STACK_BYTES } from './stack.ts';

/** Frames are rounded up to this, as check_max_stack_depth of kernel/bpf/verifier.c does. */
const FRAME_UNIT = 32;

const rounded = (bytes: number): number => Math.ceil(Math.max(1, bytes) / FRAME_UNIT) * FRAME_UNIT;

/** Bytes of stack of the deepest chain of calls; a program without calls may use all bytes unrounded. @throws Rejection */
export function totalStack({ flow, depths }: Session): number {
  const calls = flow.functions.map((): { callee: number; at: number }[] => []);
  for (const step of flow.steps) {
    if (!step || !namesFunction(step)) continue;
    calls[flow.functionOf[step.at]!]!.push({ callee: flow.functionOf[step.target]!, at: step.at });
  }
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
