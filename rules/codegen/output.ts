import {
  add,
  and,
  atomicAdd,
  comment,
  ja,
  jeq,
  jle,
  jne,
  label,
  lddw,
  ldx,
  loadMap,
  loadMapValue,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R7,
  R10,
  stx,
} from '../../engine/isa/index.ts';
import type { HookContext } from './context.ts';
import { helper, STACK } from './emitter.ts';
import { type RecordKind, type RecordString, STRING, STRING_STATE, stringBytes } from './layout.ts';
import { emitLimits } from './limits.ts';
import { CRITICAL_PRIORITIES, lostAt, NO_WAKEUP, type Ring } from './rings.ts';
import { emitSequences } from './sequence.ts';
import { emitThresholds } from './threshold.ts';

const emitInto = ({ out, layout }: HookContext, ring: Ring, sent: string): void => {
  out.emit(
    loadMap(R1, ring),
    mov(R2, R7),
    ldx('dw', R3, R10, STACK.length),
    mov(R4, NO_WAKEUP),
    helper('bpf_ringbuf_output'),
    jeq(R0, 0, sent),
    loadMapValue(R1, 'lost', lostAt(layout.index, ring)),
    mov(R2, 1),
    atomicAdd('dw', R1, 0, R2),
  );
};

/** STACK.length = where the record ends: behind the last of its strings. */
const emitLength = ({ out, layout }: HookContext): void => {
  const sized = out.fresh('output.sized');
  const slots = Object.entries(layout.strings) as [RecordString, number][];
  for (const [name, at] of slots.sort(([, one], [, other]) => other - one)) {
    const [none, fits] = [out.fresh('output.none'), out.fresh('output.fits')];
    out.emit(
      ldx('b', R1, R7, at + STRING.state),
      jeq(R1, STRING_STATE.none, none),
      ldx('h', R3, R7, at + STRING.length),
      jle(R3, stringBytes(name), fits),
      mov(R3, stringBytes(name)),
      label(fits),
      add(R3, at + STRING.data),
      ja(sized),
      label(none),
    );
  }
  out.emit(mov(R3, layout.fixed), label(sized), stx('dw', R10, STACK.length, R3));
};

/**
 * Copies the record into its ring buffer, as far as its rules' limits let it: records of processes always go. One that finds no room is counted
 * under the hook's number and the ring. r6, r8 and r9 are used.
 */
export const emitOutput = (context: HookContext, kind: RecordKind): void => {
  const { out, layout, plan } = context;
  const [critical, sent] = [out.fresh('output.critical'), out.fresh('output.sent')];
  const masks = new Map<number, bigint>();
  for (const [bit, rule] of layout.rules.entries()) {
    const priority = plan.rules[rule]?.priority;
    if (priority === undefined || !CRITICAL_PRIORITIES.has(priority)) continue;
    const word = bit >> 6;
    masks.set(word, (masks.get(word) ?? 0n) | (1n << BigInt(bit & 63)));
  }
  emitLimits(context, kind === 'event' ? sent : undefined);
  emitSequences(context, kind === 'event' ? sent : undefined);
  emitThresholds(context, kind === 'event' ? sent : undefined);
  out.emit(comment('hand the record over'));
  emitLength(context);
  for (const [word, mask] of masks)
    out.emit(ldx('dw', R1, R7, layout.matched + 8 * word), lddw(R2, mask), and(R1, R2), jne(R1, 0, critical));
  emitInto(context, 'events', sent);
  if (masks.size > 0) {
    out.emit(ja(sent), label(critical));
    emitInto(context, 'critical', sent);
  }
  out.emit(label(sent));
};
