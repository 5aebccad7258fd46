import type { Range } from './range.ts';
import { isConstant, type Scalar } from './scalar.ts';
import type { Slot } from './stack.ts';
import type { State } from './state.ts';
import { U64_MAX } from './tnum.ts';
import type { Pointer, Value } from './value.ts';

/** A scalar as the kernel's log has it: `scalar(umin=1,umax=63)`, or the number itself. */
function showScalar(s: Scalar): string {
  if (isConstant(s)) return `${s.wide.smin}`;
  const parts: string[] = [];
  const { umin, umax, smin, smax }: Range = s.wide;
  if (smin < 0n && smin !== -(1n << 63n)) parts.push(`smin=${smin}`);
  if (smin < 0n && smax !== (1n << 63n) - 1n) parts.push(`smax=${smax}`);
  if (umin !== 0n) parts.push(`umin=${umin}`);
  if (umax !== U64_MAX) parts.push(`umax=${umax}`);
  const trivial = s.bits.value === 0n && (s.bits.mask & (s.bits.mask + 1n)) === 0n;
  if (!trivial) parts.push(`bits=0x${s.bits.value.toString(16)}/0x${s.bits.mask.toString(16)}`);
  return parts.length === 0 ? 'scalar' : `scalar(${parts.join(',')})`;
}

function showTarget({ target, orNull }: Pointer): string {
  const or = orNull ? '_or_null' : '';
  switch (target.kind) {
    case 'context':
      return 'ctx';
    case 'stack':
      return target.frame === 0 ? 'fp' : `fp[${target.frame}]`;
    case 'map':
      return `map${or}(${target.spec.name})`;
    case 'map_value':
      return `map_value${or}(${target.spec.name})`;
    case 'struct':
      return `${target.trusted ? '' : 'untrusted_'}struct${or}#${target.struct}`;
    case 'record':
      return `record${or}(${target.size})`;
    case 'memory':
      return `mem${or}(${target.size})`;
    case 'packet':
      return `${target.from === 'data' ? 'pkt' : 'pkt_meta'}(range=${target.range})`;
    case 'packet_end':
      return 'pkt_end';
    case 'per_cpu':
      return `percpu(${target.size})`;
    case 'code':
      return `func#${target.at}`;
  }
}

/** What is known of a register, in a few words. */
export function showValue(value: Value): string {
  switch (value.kind) {
    case 'uninitialised':
      return '?';
    case 'scalar':
      return showScalar(value);
    case 'iterator':
      return `${value.name}(${value.active ? 'active' : 'drained'})`;
    case 'pointer': {
      const offset = value.offset === 0 ? '' : value.offset < 0 ? `${value.offset}` : `+${value.offset}`;
      const variable =
        isConstant(value.variable) && value.variable.bits.value === 0n ? '' : `+${showScalar(value.variable)}`;
      return `${showTarget(value)}${offset}${variable}`;
    }
  }
}

/** The bytes of a slot from the highest: spilled, 0, any number (m), or never written. */
export function showSlot(slot: Slot): string {
  if (slot.spill && (slot.size === 8 || slot.spill.kind === 'iterator')) return showValue(slot.spill);
  let text = '';
  for (let n = 7; n >= 0; n--) {
    const bit = 1 << n;
    text += slot.spill && n < slot.size ? 's' : slot.zero & bit ? '0' : slot.initialised & bit ? 'm' : '?';
  }
  return text;
}

/** The registers and stack slots of the current function that hold something: `r0=1 r10=fp fp-8=scalar`. */
export function showState(state: State): string {
  const { registers, stack } = state.frames[state.frames.length - 1]!;
  const parts = state.frames.length > 1 ? [`frame${state.frames.length - 1}:`] : [];
  registers.forEach((value, r) => {
    if (value.kind !== 'uninitialised') parts.push(`r${r}=${showValue(value)}`);
  });
  stack.forEach((slot, index) => {
    if (slot) parts.push(`fp-${8 * (index + 1)}=${showSlot(slot)}`);
  });
  return parts.join(' ');
}
