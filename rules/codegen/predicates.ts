import {
  and,
  arsh,
  comment,
  type Item,
  ja,
  jeq,
  jne,
  jsge,
  jsle,
  jslt,
  label,
  lddw,
  ldx,
  ldxField,
  loadMap,
  loadMapValue,
  lsh,
  mov,
  or,
  R0,
  R1,
  R2,
  R3,
  R7,
  R8,
  R9,
  type Register,
  rsh,
  st,
  stx,
  sub,
  xor,
} from '../../engine/isa/index.ts';
import { AF_INET, AF_INET6, Truth } from '../language/index.ts';
import {
  HIGHEST,
  type KernelPredicate,
  LOWEST,
  MAX_ANCESTORS,
  type NumberSlot,
  type NumberTest,
  processTestKey,
  type TaskDetail,
} from '../plan/index.ts';
import { type HookContext, predicateByte } from './context.ts';
import { type Emitter, helper, STACK, stackAddress } from './emitter.ts';
import { lookupProcess, storeKey } from './gather.ts';
import { CONNECTED, END, HEAD, TASK_DETAILS, UNKNOWN_FLAGS } from './layout.ts';
import { emitOtherInScope } from './scope.ts';

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

/** Whether a predicate needs what is gathered only for candidates: files, strings, sockets, ancestors. */
export const isLate = (kernel: KernelPredicate): boolean => {
  switch (kernel.place) {
    case 'process':
      return kernel.depth !== 0;
    case 'number':
      return FILE_SLOTS.has(kernel.of.slot);
    case 'scope':
    case 'facts':
      return false;
    default:
      return true;
  }
};

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

const against = (register: Register, value: bigint, use: (operand: Register | number) => Item): readonly Item[] =>
  BigInt.asIntN(32, value) === value ? [use(Number(value))] : [lddw(register, value), use(register)];

/** Jumps to `hit` where r1 lies in one of the ranges, and falls through where not. r2 is used. */
const emitRanges = (out: Emitter, test: NumberTest, hit: string): void => {
  for (const [low, high] of test.ranges) {
    if (low === high) out.emit(...against(R2, low, (operand) => jeq(R1, operand, hit)));
    else if (low === LOWEST && high === HIGHEST) out.emit(ja(hit));
    else if (low === LOWEST) out.emit(...against(R2, high, (operand) => jsle(R1, operand, hit)));
    else if (high === HIGHEST) out.emit(...against(R2, low, (operand) => jsge(R1, operand, hit)));
    else {
      const next = out.fresh('range');
      out.emit(
        ...against(R2, low, (operand) => jslt(R1, operand, next)),
        ...against(R2, high, (operand) => jsle(R1, operand, hit)),
        label(next),
      );
    }
  }
};

/** Ends a test: falling through gives FALSE, `hit` TRUE, `unknown` UNKNOWN. */
const emitOutcome = (out: Emitter, byte: number, hit: string, unknown?: string, negated = false): void => {
  const end = out.fresh('outcome');
  out.emit(st('b', R7, byte, negated ? Truth.TRUE : Truth.FALSE), ja(end), label(hit));
  out.emit(st('b', R7, byte, negated ? Truth.FALSE : Truth.TRUE));
  if (unknown !== undefined) out.emit(ja(end), label(unknown), st('b', R7, byte, Truth.UNKNOWN));
  out.emit(label(end));
};

const isAll = (test: NumberTest): boolean => test.ranges.some(([low, high]) => low === LOWEST && high === HIGHEST);

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

const emitNumber = (out: Emitter, of: NumberSlot, test: NumberTest, byte: number): void => {
  const needsFile = FILE_SLOTS.has(of.slot);
  const detail = DETAIL_OF[of.slot];
  const needsFlags = of.slot === 'access' || of.slot === 'create';
  if (isAll(test) && !needsFile && detail === undefined) {
    out.emit(st('b', R7, byte, Truth.TRUE));
    return;
  }
  const hit = out.fresh('number');
  const unknown = needsFile || needsFlags || detail !== undefined ? out.fresh('number.unknown') : undefined;
  if (detail !== undefined && unknown !== undefined)
    for (const each of detail)
      out.emit(ldx('w', R1, R7, HEAD.details), and(R1, TASK_DETAILS[each]), jeq(R1, 0, unknown));
  if (unknown !== undefined && (of.slot === 'protocol' || of.slot === 'connected')) emitSocketRead(out, unknown);
  if (needsFlags && unknown !== undefined)
    out.emit(ldx('w', R1, R7, HEAD.flags), lddw(R2, UNKNOWN_FLAGS), jeq(R1, R2, unknown));
  out.emit(...loadNumber(of));
  if (needsFile && unknown !== undefined) {
    if (of.slot === 'typechar') out.emit(jeq(R1, 0, unknown));
    else if (of.slot !== 'protocol' && of.slot !== 'connected')
      out.emit(ldx('dw', R2, R7, HEAD.ino), jeq(R2, 0, unknown));
  }
  emitRanges(out, test, hit);
  if (!isAll(test)) emitOutcome(out, byte, hit, unknown);
  else {
    const end = out.fresh('number.all');
    out.emit(label(hit), st('b', R7, byte, Truth.TRUE), ja(end));
    if (unknown !== undefined) out.emit(label(unknown), st('b', R7, byte, Truth.UNKNOWN));
    out.emit(label(end));
  }
};

const emitPort = (out: Emitter, kernel: KernelPredicate & { place: 'port' }, byte: number): void => {
  const [hit, unknown] = [out.fresh('port'), out.fresh('port.unknown')];
  for (const end of kernel.ends) out.emit(ldx('h', R1, R7, HEAD[end] + END.family), jeq(R1, 0, unknown));
  for (const end of kernel.ends) {
    out.emit(ldx('h', R1, R7, HEAD[end] + END.port));
    if (isAll(kernel.test)) continue;
    emitRanges(out, kernel.test, hit);
  }
  if (isAll(kernel.test)) out.emit(ja(hit));
  if (isAll(kernel.test)) {
    const end = out.fresh('port.all');
    out.emit(
      label(hit),
      st('b', R7, byte, Truth.TRUE),
      ja(end),
      label(unknown),
      st('b', R7, byte, Truth.UNKNOWN),
      label(end),
    );
  } else emitOutcome(out, byte, hit, unknown, kernel.negated);
};

/** Jumps to `hit` where the address in the record at `at` lies in the network, else falls through. */
const emitNetwork = (out: Emitter, at: number, bytes: Uint8Array, prefix: number, hit: string): void => {
  const next = out.fresh('network');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  out.emit(ldx('h', R1, R7, at + END.family), jne(R1, bytes.length === 4 ? AF_INET : AF_INET6, next));
  for (let word = 0; word * 32 < prefix; word++) {
    const bits = Math.min(32, prefix - word * 32);
    const mask = bits === 32 ? 0xffff_ffff : (0xffff_ffff << (32 - bits)) >>> 0;
    const swapped = new DataView(new ArrayBuffer(8));
    swapped.setUint32(0, mask);
    swapped.setUint32(4, (view.getUint32(word * 4) & mask) >>> 0);
    out.emit(ldx('w', R1, R7, at + END.address + word * 4));
    if (bits < 32) out.emit(lddw(R2, swapped.getUint32(0, true)), and(R1, R2));
    out.emit(lddw(R2, swapped.getUint32(4, true)), jne(R1, R2, next));
  }
  out.emit(ja(hit), label(next));
};

const emitAddress = (out: Emitter, kernel: KernelPredicate & { place: 'address' }, byte: number): void => {
  const [hit, unknown] = [out.fresh('address'), out.fresh('address.unknown')];
  for (const end of kernel.ends) out.emit(ldx('h', R1, R7, HEAD[end] + END.family), jeq(R1, 0, unknown));
  for (const end of kernel.ends)
    for (const network of kernel.test.networks) emitNetwork(out, HEAD[end], network.bytes, network.prefix, hit);
  emitOutcome(out, byte, hit, unknown, kernel.test.negated);
};

const emitPolicyScope = (context: HookContext, cgroup: string, byte: number): void => {
  const { out, plan } = context;
  const level = cgroup.split('/').filter((part) => part !== '').length;
  const [hit, miss] = [out.fresh('scope'), out.fresh('scope.miss')];
  out.emit(
    mov(R1, level),
    helper('bpf_get_current_ancestor_cgroup_id'),
    loadMapValue(R1, 'scopes', plan.scopes.indexOf(cgroup) * 8),
    ldx('dw', R1, R1, 0),
    jeq(R1, 0, miss),
    jeq(R0, R1, hit),
    label(miss),
  );
  emitOutcome(out, byte, hit);
};

/** Copies the truths of the record's own process into the given predicates' bytes; unknown for a process that is not in the map. */
export const emitOwnProcess = (context: HookContext, predicates: readonly number[]): void => {
  const own = predicates.filter((index) => {
    const kernel = context.hook.predicates[index]?.kernel;
    return kernel?.place === 'process' && kernel.depth === 0;
  });
  if (own.length === 0) return;
  const { out } = context;
  const [miss, end] = [out.fresh('process.miss'), out.fresh('process.end')];
  out.emit(comment('facts as of exec, from the process'), ...lookupProcess, jeq(R0, 0, miss));
  for (const index of own) emitCopy(context, index);
  out.emit(ja(end), label(miss));
  for (const index of own) out.emit(st('b', R7, predicateByte(context, index), Truth.UNKNOWN));
  out.emit(label(end));
};

/** One truth of the process value at r0 into a predicate's byte. */
const emitCopy = (context: HookContext, index: number): void => {
  const { out } = context;
  const byte = processByte(context, index);
  if (byte === undefined) out.emit(st('b', R7, predicateByte(context, index), Truth.UNKNOWN));
  else out.emit(ldx('b', R1, R0, byte), stx('b', R7, predicateByte(context, index), R1));
};

/** Offset of a process predicate's byte in a process's value. */
export const processByte = (context: HookContext, index: number): number | undefined => {
  const kernel = context.hook.predicates[index]?.kernel;
  return kernel?.place === 'process'
    ? context.processes.byteOf.get(processTestKey(kernel.fact, kernel.test))
    : undefined;
};

/**
 * Walks up the living parents of the task in r8 and decides the predicates about ancestors. `any` is the disjunction over all of
 * them, unknown when the walk ends before the first process or meets one that is not in the map.
 */
export const emitAncestors = (context: HookContext): void => {
  const { out, hook } = context;
  const wanted = hook.predicates.flatMap((predicate, index) =>
    predicate.kernel.place === 'process' && predicate.kernel.depth !== 0
      ? [{ index, depth: predicate.kernel.depth }]
      : [],
  );
  if (wanted.length === 0) return;
  const any = wanted.filter(({ depth }) => depth === 'any');
  const deepest = any.length > 0 ? MAX_ANCESTORS : Math.max(...wanted.map(({ depth }) => Number(depth)));
  const [ended, done] = [out.fresh('ancestors.ended'), out.fresh('ancestors.done')];
  out.emit(comment('the living parents'), mov(R9, R8));
  for (const { index, depth } of wanted)
    out.emit(st('b', R7, predicateByte(context, index), depth === 'any' ? Truth.FALSE : Truth.ABSENT));
  for (let depth = 1; depth <= deepest; depth++) {
    const here = wanted.filter((each) => each.depth === depth);
    const [miss, next] = [out.fresh('ancestor.miss'), out.fresh('ancestor.next')];
    out.emit(ldxField('dw', R9, R9, 'task_struct.real_parent'), jeq(R9, 0, ended));
    emitOtherInScope(out, ended);
    out.emit(
      ldxField('w', R1, R9, 'task_struct.tgid'),
      jeq(R1, 0, ended),
      ldxField('dw', R2, R9, 'task_struct.group_leader'),
      ldxField('dw', R2, R2, 'task_struct.start_boottime'),
      ...storeKey,
      loadMap(R1, 'processes'),
      ...stackAddress(R2, STACK.key),
      helper('bpf_map_lookup_elem'),
      jeq(R0, 0, miss),
    );
    for (const { index } of here) emitCopy(context, index);
    for (const { index } of any) emitDisjunction(context, index);
    out.emit(ja(next), label(miss));
    for (const { index } of here) out.emit(st('b', R7, predicateByte(context, index), Truth.UNKNOWN));
    for (const { index } of any)
      out.emit(
        ldx('b', R1, R7, predicateByte(context, index)),
        or(R1, Truth.TRUE),
        stx('b', R7, predicateByte(context, index), R1),
      );
    out.emit(label(next));
  }
  if (any.length > 0) {
    out.emit(ldxField('dw', R9, R9, 'task_struct.real_parent'), jeq(R9, 0, ended));
    emitOtherInScope(out, ended);
    out.emit(ldxField('w', R1, R9, 'task_struct.tgid'), jeq(R1, 0, ended));
    for (const { index } of any)
      out.emit(
        ldx('b', R1, R7, predicateByte(context, index)),
        or(R1, Truth.TRUE),
        stx('b', R7, predicateByte(context, index), R1),
      );
  }
  out.emit(ja(done), label(ended), label(done));
};

/** byte = (byte | value) may be true, byte & value may be false; a FALSE bit that is once lost stays lost. */
const emitDisjunction = (context: HookContext, index: number): void => {
  const { out } = context;
  const at = predicateByte(context, index);
  const from = processByte(context, index);
  if (from === undefined) out.emit(mov(R1, Truth.UNKNOWN));
  else out.emit(ldx('b', R1, R0, from));
  out.emit(
    ldx('b', R2, R7, at),
    mov(R3, R1),
    or(R3, R2),
    and(R3, Truth.TRUE),
    and(R1, R2),
    and(R1, Truth.FALSE),
    or(R3, R1),
    stx('b', R7, at, R3),
  );
};

/** Evaluates a predicate of a number, an address, a port or a scope into its byte. */
export const emitPredicate = (context: HookContext, index: number): void => {
  const { out } = context;
  const predicate = context.hook.predicates[index];
  if (predicate === undefined) return;
  const { kernel } = predicate;
  const byte = predicateByte(context, index);
  if (kernel.place === 'process' || kernel.place === 'string' || kernel.place === 'facts') return;
  out.emit(comment(predicate.text));
  if (kernel.place === 'number') emitNumber(out, kernel.of, kernel.test, byte);
  else if (kernel.place === 'port') emitPort(out, kernel, byte);
  else if (kernel.place === 'address') emitAddress(out, kernel, byte);
  else emitPolicyScope(context, kernel.cgroup, byte);
};
