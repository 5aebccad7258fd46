import {
  and,
  arsh,
  type Item,
  jeq,
  jne,
  label,
  lddw,
  ldx,
  lsh,
  mov,
  or,
  R1,
  R2,
  R7,
  type Register,
  rsh,
  sub,
  xor,
} from '../../engine/isa/index.ts';
import type { NumberSlot, TaskDetail } from '../plan/index.ts';
import type { Emitter } from './emitter.ts';
import { CONNECTED, HEAD, TASK_DETAILS, UNKNOWN_FLAGS } from './layout.ts';

/** Slots of what is gathered only for candidates: a file's or a socket's. */
const FILE_SLOTS: ReadonlySet<NumberSlot['slot']> = new Set([
  'typechar',
  'dev',
  'devMajor',
  'devMinor',
  'ino',
  'protocol',
  'connected',
]);

/** Whether a slot is gathered for candidates only: of a file or a socket. */
export const isFileSlot = ({ slot }: NumberSlot): boolean => FILE_SLOTS.has(slot);

const signed32 = (register: Register): readonly Item[] => [lsh(register, 32), arsh(register, 32)];

/** O_CREAT is 1 << 6. */
const O_CREAT_BIT = 6;

/** r1 = a slot's value; r2 is used. */
const loadNumber = (slot: NumberSlot): readonly Item[] => [
  ...loadSlot(slot),
  ...(slot.mask === undefined ? [] : maskBits(slot.mask)),
];

/** Clears all bits of r1 but some. */
const maskBits = (bits: readonly number[]): readonly Item[] => {
  const mask = bits.reduce((all, bit) => all | (1n << BigInt(bit)), 0n);
  return BigInt.asIntN(32, mask) === mask ? [and(R1, Number(mask))] : [lddw(R2, mask), and(R1, R2)];
};

/** r1 = 1 where two numbers of 32 bits in the head are the same, else 0. */
const same = (one: number, other: number): readonly Item[] => [
  ldx('w', R1, R7, one),
  ldx('w', R2, R7, other),
  sub(R1, R2),
  mov(R2, 0),
  sub(R2, R1),
  or(R1, R2),
  rsh(R1, 63),
  xor(R1, 1),
];

/** Numbers of device numbers in the kernel's form (include/linux/kdev_t.h). */
const MINOR_BITS = 20;

const loadSlot = (slot: NumberSlot): readonly Item[] => {
  switch (slot.slot) {
    case 'result':
      return [ldx('dw', R1, R7, HEAD.result)];
    case 'fd':
      return [ldx('w', R1, R7, HEAD.fd), ...signed32(R1)];
    case 'access':
      return [ldx('w', R1, R7, HEAD.flags), and(R1, 3)];
    case 'create':
      return [ldx('w', R1, R7, HEAD.flags), rsh(R1, O_CREAT_BIT), and(R1, 1)];
    case 'typechar':
      return [ldx('b', R1, R7, HEAD.typechar)];
    case 'dev':
      return [ldx('w', R1, R7, HEAD.dev)];
    case 'devMajor':
      return [ldx('w', R1, R7, HEAD.dev), rsh(R1, MINOR_BITS)];
    case 'devMinor':
      return [ldx('w', R1, R7, HEAD.dev), and(R1, (1 << MINOR_BITS) - 1)];
    case 'ino':
      return [ldx('dw', R1, R7, HEAD.ino)];
    case 'protocol':
      return [ldx('h', R1, R7, HEAD.protocol)];
    case 'connected':
      return [ldx('b', R1, R7, HEAD.connected), sub(R1, CONNECTED.no)];
    case 'duration':
      return [ldx('dw', R1, R7, HEAD.time), ldx('dw', R2, R7, HEAD.start), sub(R1, R2)];
    case 'isMain':
      return same(HEAD.tid, HEAD.tgid);
    case 'isSessionLeader':
      return same(HEAD.sid, HEAD.tgid);
    case 'isGroupLeader':
      return same(HEAD.pgid, HEAD.tgid);
    case 'isVirtualGroupLeader':
      return same(HEAD.vpgid, HEAD.vpid);
    case 'capEffective':
    case 'capPermitted':
    case 'capInheritable':
      return [ldx('dw', R1, R7, HEAD[slot.slot])];
    case 'loginuid':
      return [ldx('w', R1, R7, HEAD.loginuid), ...signed32(R1)];
    case 'argument':
      return [ldx('dw', R1, R7, HEAD.arguments + 8 * slot.index), ...(slot.bits === 32 ? signed32(R1) : [])];
    default:
      return [ldx('w', R1, R7, HEAD[slot.slot])];
  }
};

/** What a slot needs read of the task. */
const DETAIL_OF: Partial<Record<NumberSlot['slot'], readonly TaskDetail[]>> = {
  tty: ['tty'],
  vpid: ['vpid'],
  vtid: ['vtid'],
  pvpid: ['pvpid'],
  sid: ['sid'],
  pgid: ['pgid'],
  vpgid: ['vpgid'],
  threads: ['threads'],
  capEffective: ['capabilities'],
  capPermitted: ['capabilities'],
  capInheritable: ['capabilities'],
  isSessionLeader: ['sid'],
  isGroupLeader: ['pgid'],
  isVirtualGroupLeader: ['vpid', 'vpgid'],
};

/** Jumps to `unknown` where the file's type isn't known, or it is an IP socket that couldn't be read. */
const emitSocketRead = (out: Emitter, unknown: string): void => {
  const read = out.fresh('socket.read');
  out.emit(
    ldx('b', R1, R7, HEAD.typechar),
    jeq(R1, 0, unknown),
    ldx('b', R2, R7, HEAD.connected),
    jne(R2, 0, read),
    jeq(R1, '4'.charCodeAt(0), unknown),
    jeq(R1, '6'.charCodeAt(0), unknown),
    label(read),
  );
};

/** r1 = the value of a slot; jumps to `unknown` where it wasn't read. r2 is used. */
export const emitSlot = (out: Emitter, of: NumberSlot, unknown: string): void => {
  const { slot } = of;
  for (const detail of DETAIL_OF[slot] ?? [])
    out.emit(ldx('w', R1, R7, HEAD.details), and(R1, TASK_DETAILS[detail]), jeq(R1, 0, unknown));
  if (slot === 'access' || slot === 'create')
    out.emit(ldx('w', R1, R7, HEAD.flags), lddw(R2, UNKNOWN_FLAGS), jeq(R1, R2, unknown));
  if (slot === 'protocol' || slot === 'connected') emitSocketRead(out, unknown);
  else if (slot === 'typechar') out.emit(ldx('b', R1, R7, HEAD.typechar), jeq(R1, 0, unknown));
  else if (FILE_SLOTS.has(slot)) out.emit(ldx('dw', R1, R7, HEAD.ino), jeq(R1, 0, unknown));
  out.emit(...loadNumber(of));
};
