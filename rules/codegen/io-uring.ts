import {
  add,
  addField,
  and,
  comment,
  exit,
  ja,
  jeq,
  jge,
  jne,
  jset,
  label,
  lddw,
  ldx,
  ldxField,
  mov,
  movField,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R9,
  R10,
  rsh,
  st,
  stx,
} from '../../engine/isa/index.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  AT_FDCWD,
  REQUEST_OPCODES,
  REQUEST_TYPES,
  type RequestMember,
  type RequestType,
} from '../language/index.ts';
import { type EventPlan, OPEN_EVENTS } from '../plan/index.ts';
import { NEED } from './call-objects.ts';
import { COMMAND_BYTES, EXTRA, type HookContext } from './context.ts';
import { argumentOf, emitRules, recipeOf } from './detection.ts';
import { emitSwitch, helper, STACK, stackAddress } from './emitter.ts';
import { currentTask, emitClear, emitHead, emitScratch } from './gather.ts';
import { HEAD } from './layout.ts';
import { emitScope } from './scope.ts';

/** REQ_F_FIXED_FILE: the descriptor is an index into the ring's own table (io_uring_types.h; the bit is IOSQE_FIXED_FILE's). */
const FIXED_FILE = 1;
/** What 64-bit opens add to the flags they were given. */
const O_LARGEFILE = 0x8000;

/** Operations of one event type that keep the same members. */
interface Recipe {
  readonly number: number;
  readonly types: RequestType[];
}

const recipesOf = (events: readonly EventPlan[]): readonly Recipe[] => {
  const recipes = new Map<string, Recipe>();
  for (const { event } of events) {
    for (const type of REQUEST_TYPES) {
      if (type.event !== event) continue;
      const shape = JSON.stringify([event.type, type.struct, type.members]);
      const known = recipes.get(shape);
      if (known === undefined) recipes.set(shape, { number: recipes.size + 1, types: [type] });
      else known.types.push(type);
    }
  }
  return [...recipes.values()];
};

/**
 * The detection program of what goes through io_uring and passes no system call: it runs when a request is submitted, in the task that
 * submits it or the kernel's thread of the same process. The operation's preparation has copied paths, and newer kernels addresses, so
 * that the caller can't change them any more; the call itself has not been made.
 */
export const emitIoUring = (context: HookContext): void => {
  const { out, hook, extra } = context;
  const recipes = recipesOf(hook.events);
  const opcodes = recipes.flatMap(({ types }) => types.map(({ opcode }) => opcode));
  out.emit(
    comment('which operation'),
    mov(R6, R1),
    ldx('dw', R2, R6, 0),
    ldxField('b', R9, R2, 'io_kiocb.opcode'),
    jge(R9, REQUEST_OPCODES, 'exit'),
    lddw(
      R1,
      opcodes.reduce((bits, opcode) => bits | (1n << BigInt(opcode)), 0n),
    ),
    rsh(R1, R9),
    jset(R1, 1, 'named'),
    label('exit'),
    mov(R0, 0),
    exit(),
    label('named'),
  );
  emitScope(out, 'exit');
  out.emit(...currentTask);
  emitScratch(out);
  emitClear(context);
  out.emit(stx('w', R7, extra + EXTRA.recipe, R9));
  emitHead(context, 'event');
  out.emit(
    comment('what the operation keeps'),
    mov(R1, R7),
    add(R1, extra + EXTRA.command),
    mov(R2, COMMAND_BYTES),
    ldx('dw', R3, R6, 0),
    addField(R3, 'io_kiocb.cmd'),
    helper('bpf_probe_read_kernel'),
    jne(R0, 0, 'exit'),
    st('w', R7, HEAD.fd, -1),
    ldx('w', R2, R7, extra + EXTRA.recipe),
    mov(R9, R7),
    add(R9, extra + EXTRA.command),
  );
  emitSwitch(
    out,
    R2,
    recipes
      .flatMap(({ types, number }) => types.map(({ opcode }) => [opcode, `recipe.${number}`] as const))
      .sort(([one], [other]) => one - other),
  );
  out.emit(ja('exit'));
  const needs = recipes.reduce((all, recipe) => all | emitRecipe(context, recipe), 0);
  emitRules(context, needs, 'request');
};

const SIZES = { 16: 'h', 32: 'w', 64: 'dw' } as const;

/** r1 = the argument as the request keeps it, in the low bits. r9 = what the operation keeps. */
const emitMember = ({ out }: HookContext, member: Exclude<RequestMember, { kind: 'fd' }>): void => {
  const size = member.kind === 'filename' ? 'dw' : SIZES[member.bits];
  out.emit(ldxField(size, R1, R9, member.access, 'offset_or_0'));
};

/** r1 = the descriptor that the request is about, -1 where it is an index into the ring's own table. */
const emitDescriptor = ({ out }: HookContext): void => {
  const own = out.fresh('fd.own');
  out.emit(
    mov(R1, -1),
    ldx('dw', R2, R6, 0),
    ldxField('w', R3, R2, 'io_kiocb.flags'),
    jset(R3, FIXED_FILE, own),
    ldxField('w', R1, R2, 'io_kiocb.cqe.fd'),
    label(own),
  );
};

/** Puts an operation's members where the common code looks for them; returns what its rules need of it. */
const emitRecipe = (context: HookContext, recipe: Recipe): number => {
  const { out, extra } = context;
  const [type] = recipe.types as [RequestType];
  const { event, members } = type;
  const at = (index: number): number => HEAD.arguments + 8 * index;
  let needs = 0;
  out.emit(
    comment(recipe.types.map(({ name }) => `IORING_OP_${name}`).join(', ')),
    label(`recipe.${recipe.number}`),
    st('w', R7, HEAD.event, event.nr),
    lddw(R1, BigInt(recipeOf(recipe.number, context.matching.classOf(event.type).at))),
    stx('w', R7, extra + EXTRA.recipe, R1),
  );
  for (const [index, member] of members.entries()) {
    if (member === undefined) continue;
    if (member.kind === 'fd') emitDescriptor(context);
    else emitMember(context, member);
    out.emit(stx('dw', R7, at(index), R1));
  }
  if (event.fd !== undefined) needs |= NEED.file;
  if (typeof event.fd === 'number' && members[event.fd] !== undefined) {
    const fixed = out.fresh('fd.fixed');
    if (type.struct === 'io_close') out.emit(ldxField('w', R1, R9, 'io_close.file_slot'), jne(R1, 0, fixed));
    out.emit(ldx('w', R1, R7, at(event.fd)), stx('w', R7, HEAD.fd, R1), label(fixed));
  }
  if (OPEN_EVENTS.includes(event.type)) {
    needs |= NEED.open;
    out.emit(
      ldxField('w', R1, R9, 'io_open.how.flags'),
      and(R1, ~O_LARGEFILE),
      stx('w', R7, HEAD.flags, R1),
      ...(argumentOf(event, 'openflags') < 0 ? [] : [stx('dw', R7, at(argumentOf(event, 'openflags')), R1)]),
    );
  }
  needs |= emitPaths(context, type);
  const address = argumentOf(event, 'sockaddr');
  if (address >= 0) needs |= emitAddress(context, type, address);
  out.emit(st('w', R7, extra + EXTRA.needs, needs), ja('rules'));
  return needs;
};

/** The paths that an operation names, each with the folder that it starts from. */
const emitPaths = ({ out, extra }: HookContext, { event, members }: RequestType): number => {
  const source = argumentOf(event, 'path', 'source');
  const target = argumentOf(event, 'target');
  const paths = [
    { index: source >= 0 ? source : target, path: EXTRA.path, folder: EXTRA.dirfd, need: NEED.path },
    { index: source >= 0 ? target : -1, path: EXTRA.path2, folder: EXTRA.dirfd2, need: NEED.path2 },
  ];
  let needs = 0;
  for (const { index, path, folder, need } of paths) {
    if (index < 0 || members[index] === undefined) continue;
    needs |= need;
    const at = HEAD.arguments + 8 * index;
    out.emit(ldx('dw', R1, R7, at), stx('dw', R7, extra + path, R1));
    if (event.arguments[index - 1]?.kind === 'dirfd')
      out.emit(ldx('w', R1, R7, at - 8), stx('w', R7, extra + folder, R1));
    else out.emit(st('w', R7, extra + folder, AT_FDCWD));
  }
  return needs;
};

/** The address that an operation names, with its length. */
const emitAddress = (context: HookContext, { event }: RequestType, index: number): number => {
  const { out, extra } = context;
  const argument = HEAD.arguments + 8 * index;
  out.emit(
    comment('the address'),
    ldx('dw', R1, R7, argument),
    stx('dw', R7, extra + EXTRA.address, R1),
    st('w', R7, extra + EXTRA.addressCopied, 0),
  );
  if (event.type === 'sendto') emitSentTo(context, argument);
  else emitPlainAddress(context, event.type);
  out.emit(ldx('dw', R1, R7, argument + 8), stx('dw', R7, extra + EXTRA.addressLength, R1));
  if (event.type === 'bind') return NEED.localAddress;
  return NEED.remoteAddress | (event.type === 'sendto' ? NEED.sentTo : 0);
};

/** r3 = what the request keeps beside. */
const asyncData = [ldx('dw', R3, R6, 0), ldxField('dw', R3, R3, 'io_kiocb.async_data')];

/** Until Linux 6.12 send has members for the address, which is the caller's; later the preparation copies it. */
const emitSentTo = ({ out, extra }: HookContext, argument: number): void => {
  const [copied, done] = [out.fresh('address.copied'), out.fresh('address.done')];
  out.emit(
    movField(R1, 'io_sr_msg.addr', 'exists'),
    jeq(R1, 0, copied),
    ldxField('dw', R1, R9, 'io_sr_msg.addr', 'offset_or_0'),
    stx('dw', R7, extra + EXTRA.address, R1),
    ldxField('h', R1, R9, 'io_sr_msg.addr_len', 'offset_or_0'),
    stx('dw', R7, argument + 8, R1),
    ja(done),
    label(copied),
    ...asyncData,
    addField(R3, 'io_async_msghdr.addr'),
    stx('dw', R7, extra + EXTRA.address, R3),
    st('w', R7, extra + EXTRA.addressCopied, 1),
    st('dw', R7, argument + 8, 0),
    mov(R1, R7),
    add(R1, argument + 8),
    mov(R2, 4),
    ...asyncData,
    addField(R3, 'io_async_msghdr.msg.msg_namelen'),
    helper('bpf_probe_read_kernel'),
    label(done),
  );
};

/**
 * The address of connect and bind. Where there is a copy, what the request keeps beside begins with it, or (in kernels from 6.10 on
 * that lack a fix of 2026) is a message header with the address at its end. A header begins with a pointer, which is null or never looks like a
 * family, so that the first bytes tell. The header's address is read for bind only, which keeps no other; for connect the caller's is at hand.
 */
const emitPlainAddress = ({ out, extra }: HookContext, type: string): void => {
  const [own, other, header, done] = ['own', 'other', 'header', 'done'].map((name) => out.fresh(`address.${name}`)) as [
    string,
    string,
    string,
    string,
  ];
  const keep = (register: typeof R1 | typeof R3) => [
    stx('dw', R7, extra + EXTRA.address, register),
    st('w', R7, extra + EXTRA.addressCopied, 1),
  ];
  out.emit(
    ...asyncData,
    jeq(R3, 0, done),
    stx('dw', R10, STACK.name, R3),
    st('dw', R10, STACK.length, 0),
    ...stackAddress(R1, STACK.length),
    mov(R2, 8),
    helper('bpf_probe_read_kernel'),
    ldx('h', R1, R10, STACK.length),
    jeq(R1, AF_UNIX, own),
    jeq(R1, AF_INET, own),
    jne(R1, AF_INET6, other),
    label(own),
    ldx('dw', R1, R10, STACK.name),
    ...keep(R1),
    ja(done),
    label(other),
  );
  if (type === 'bind')
    out.emit(
      ldx('dw', R1, R10, STACK.length),
      jeq(R1, 0, header),
      rsh(R1, 48),
      jne(R1, 0xffff, done),
      label(header),
      ldx('dw', R3, R10, STACK.name),
      addField(R3, 'io_async_msghdr.addr'),
      ...keep(R3),
    );
  out.emit(label(done));
};
