import {
  atomicAdd,
  atomicCmpxchg,
  comment,
  ja,
  jeq,
  label,
  loadMap,
  loadMapValue,
  mov,
  R0,
  R1,
  R2,
  R7,
  R10,
  st,
} from '../../engine/isa/index.ts';
import type { HookContext } from './context.ts';
import { helper, STACK, stackAddress } from './emitter.ts';
import { busyAt } from './rings.ts';

/** The map of scratch values for programs that others of their kind can interrupt; a value ends in 8 bytes that say whether it is in use. */
export const SLOTS_MAP = 'slots';
/** Programs that can be under way on one CPU at once. */
export const SLOTS_PER_CPU = 3;

/**
 * r7 = a scratch value of its own. Programs at LSM and cgroup hooks can be preempted by a task whose call comes to the same hook on the same CPU
 * (`__bpf_prog_enter` of kernel/bpf/trampoline.c only keeps them from migrating), so that a value for each CPU is not enough. A value is taken by one
 * atomic exchange; where all of the CPU's are taken, the run is counted as lost, and it jumps to `none`: nothing is read, decided or done. Who takes one
 * has to give it back on every way out (`emitRelease`).
 */
export const emitTake = ({ out, layout, slotBytes }: HookContext, none: string): void => {
  const taken = out.fresh('slot.taken');
  out.emit(comment('a scratch value that nobody else works on'));
  for (let index = 0; index < SLOTS_PER_CPU; index++) {
    const next = out.fresh('slot.next');
    out.emit(
      st('w', R10, STACK.index, index),
      loadMap(R1, SLOTS_MAP),
      ...stackAddress(R2, STACK.index),
      helper('bpf_map_lookup_elem'),
      jeq(R0, 0, next),
      mov(R7, R0),
      mov(R0, 0),
      mov(R1, 1),
      atomicCmpxchg('dw', R7, slotBytes, R1),
      jeq(R0, 0, taken),
      label(next),
    );
  }
  out.emit(
    loadMapValue(R1, 'lost', busyAt(layout.index)),
    mov(R2, 1),
    atomicAdd('dw', R1, 0, R2),
    ja(none),
    label(taken),
  );
};

/** Gives the scratch value at r7 back. */
export const emitRelease = ({ out, slotBytes }: HookContext): void => {
  out.emit(st('dw', R7, slotBytes, 0));
};
