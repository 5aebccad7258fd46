import type { ProgramType } from '../object/index.ts';
import { type Access, bytes, verb } from './bounds.ts';
import { Rejection } from './error.ts';
import { isConstant } from './scalar.ts';
import type { Session } from './session.ts';
import { replaceValues, type State } from './state.ts';
import type { Step } from './step.ts';
import { describeTarget, type Pointer, type Target, type Value } from './value.ts';

/** MAX_PACKET_OFF of kernel/bpf/verifier.c: what is further from a packet's start isn't compared with its end. */
const MAX_PACKET_OFFSET = 0xffff;

/** Program types that may write to a packet directly, or to a socket option's value, which is known as one (may_access_direct_pkt_data of kernel/bpf/verifier.c). */
const WRITERS: readonly ProgramType[] = ['sched_cls', 'xdp', 'cgroup_sockopt'];

/** Helpers that take memory inside a packet (pkt_access of struct bpf_func_proto). */
const TAKERS: ReadonlySet<string> = new Set([
  'bpf_csum_diff',
  'bpf_map_delete_elem',
  'bpf_map_lookup_elem',
  'bpf_map_peek_elem',
  'bpf_map_pop_elem',
  'bpf_map_push_elem',
  'bpf_map_update_elem',
]);

/** Whether a helper takes memory inside a packet. */
export const takesPacket = (helper: string): boolean => TAKERS.has(helper);

type Packet = Target & { kind: 'packet' };

/**
 * Checks an access to a packet: it lies in the bytes that a comparison with the packet's end has shown to be there, counted from
 * where the pointer's offset is 0 (check_packet_access of kernel/bpf/verifier.c). @throws Rejection
 */
export function checkPacket(
  session: Session,
  register: number,
  p: Pointer,
  target: Packet,
  offset: number,
  size: number,
  access: Access,
): void {
  if (access === 'write' && !WRITERS.includes(session.context.hook.programType)) {
    throw new Rejection(
      `r${register} points into the packet, which a ${session.context.hook.programType} program may only read`,
    );
  }
  if (p.variable.wide.smin < 0n) {
    throw new Rejection(`the offset that was added to r${register} may be negative; mask it or compare it first`);
  }
  const at = p.offset + offset;
  if (at >= 0 && at + size <= target.range) return;
  const from = isConstant(p.variable) ? '' : ` from where r${register} got its variable offset`;
  throw new Rejection(
    `${verb[access]} ${bytes(size)} at offset ${at} of ${describeTarget(target)}, of which ${bytes(target.range)} are known to be there${from}; compare r${register} + ${at + size} with the packet's end first`,
  );
}

/** What a comparison of a packet pointer with the packet's end teaches, on the side where it lies before it. */
interface Lesson {
  readonly packet: Pointer & { readonly target: Packet };
  readonly side: 'taken' | 'next';
  /** Whether the byte at the pointer itself is there too. */
  readonly open: boolean;
}

const FLIPPED: Readonly<Record<string, string>> = { jgt: 'jlt', jlt: 'jgt', jge: 'jle', jle: 'jge' };
const LESSONS: Readonly<Record<string, readonly [side: Lesson['side'], open: boolean]>> = {
  jgt: ['next', false],
  jge: ['next', true],
  jlt: ['taken', true],
  jle: ['taken', false],
};

/** The lesson of a conditional jump, undefined where it compares something else. */
export function packetLesson(step: Step, dst: Value, src: Value): Lesson | undefined {
  if (step.width !== 64) return undefined;
  const forward = isPacket(dst) && endsPacket(dst.target.from, src);
  const packet = forward ? dst : src;
  if (!isPacket(packet) || (!forward && !endsPacket(packet.target.from, dst))) return undefined;
  const lesson = LESSONS[forward ? step.operation : (FLIPPED[step.operation] ?? '')];
  return lesson && { packet, side: lesson[0], open: lesson[1] };
}

const isPacket = (value: Value): value is Pointer & { readonly target: Packet } =>
  value.kind === 'pointer' && value.target.kind === 'packet';

/** A packet ends at packet_end, the metadata before it at the packet's first byte. */
function endsPacket(from: 'data' | 'meta', value: Value): boolean {
  if (value.kind !== 'pointer') return false;
  if (from === 'data') return value.target.kind === 'packet_end';
  return isPacket(value) && value.target.from === 'data' && value.offset === 0 && value.id === 0;
}

/** Puts what was learnt into all pointers with the same variable offset (find_good_pkt_pointers of kernel/bpf/verifier.c). */
export function learnPacket(state: State, { packet, open }: Lesson): void {
  const { offset } = packet;
  if (offset < 0 || (offset === 0 && open)) return;
  if (packet.variable.wide.umax + BigInt(offset) > BigInt(MAX_PACKET_OFFSET)) return;
  const range = open ? offset + 1 : offset;
  replaceValues(state, (value) =>
    isPacket(value) && value.target.from === packet.target.from && value.id === packet.id && value.target.range < range
      ? { ...value, target: { ...value.target, range } }
      : value,
  );
}

/** Pointers into the packet become numbers of which nothing is known. */
export function forgetPackets(state: State, unknown: Value): void {
  replaceValues(state, (value) =>
    isPacket(value) || (value.kind === 'pointer' && value.target.kind === 'packet_end') ? unknown : value,
  );
}
