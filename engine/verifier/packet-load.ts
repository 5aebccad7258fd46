import { Rejection } from './error.ts';
import { LOADED } from './scalar.ts';
import { read } from './session.ts';
import { current, type State } from './state.ts';
import type { Step } from './step.ts';
import { UNINITIALISED } from './value.ts';

/**
 * `r0 = *(size *)skb[...]`: a load of 1, 2 or 4 bytes from the packet, whose context r6 must hold; beyond its end the program
 * returns 0 (check_ld_abs of kernel/bpf/verifier.c). @throws Rejection
 */
export function loadPacket(state: State, step: Step): void {
  const { registers } = current(state);
  const context = read(state, 6);
  if (context.kind !== 'pointer' || context.target.kind !== 'context') {
    throw new Rejection('r6 must be the context for a load from the packet');
  }
  if (step.register && read(state, step.src).kind !== 'scalar') {
    throw new Rejection(`r${step.src} is a pointer, but is where in the packet to load from`);
  }
  const [kept] = state.references;
  if (kept) throw new Rejection(`the program may end here, and ${kept.leak}`);
  for (let r = 1; r <= 5; r++) registers[r] = UNINITIALISED;
  registers[0] = LOADED[step.width / 8]!;
}
