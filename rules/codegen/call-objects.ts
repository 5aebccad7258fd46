import {
  add,
  addField,
  and,
  arsh,
  comment,
  ja,
  jeq,
  jle,
  jne,
  jsge,
  jslt,
  label,
  ldx,
  ldxField,
  lsh,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R7,
  R8,
  R9,
  R10,
  type Register,
  st,
} from '../../engine/isa/index.ts';
import { AT_FDCWD } from '../language/index.ts';
import type { KernelPredicate } from '../plan/index.ts';
import { EXTRA, type HookContext } from './context.ts';
import { type Emitter, helper, probeFieldAt, STACK, stackAddress } from './emitter.ts';
import { currentTask, emitFileFacts, emitFileOfFd, emitSockaddrEnd } from './gather.ts';
import { END, HEAD, type RecordString, STRING, STRING_STATE } from './layout.ts';
import { emitPathOf, emitPathWalk } from './path.ts';
import { emitPassedPath } from './strings.ts';

const SOCK_STREAM = 1;
const EINPROGRESS = 115;

/** What `address:port->address:port` is written with. */
const SOCKET_NAME = /^[0-9a-f.:[\]>*?-]*$/;

/** Whether a predicate on a file's name could hold for a socket's, which the kernel part doesn't know. */
const mayNameSocket = (kernel: KernelPredicate): boolean =>
  kernel.place === 'string' &&
  kernel.of === 'file' &&
  (kernel.test.negated || kernel.test.patterns.some((pattern) => SOCKET_NAME.test(pattern.text.toLowerCase())));

/** What a recipe needs gathered for candidates. */
export const NEED = {
  file: 1,
  open: 2,
  path: 4,
  path2: 8,
  remoteAddress: 16,
  localAddress: 32,
  sentTo: 64,
  cwd: 128,
  text: 256,
} as const;

/** Where a call's arguments are: the caller's memory; or the kernel's copies, for a request whose call has not been made yet. */
export type ArgumentSource = 'call' | 'request';

/** Jumps where the event's recipe doesn't have this need. */
const without = ({ extra }: HookContext, bit: number, otherwise: string) => [
  ldx('w', R1, R7, extra + EXTRA.needs),
  and(R1, bit),
  jeq(R1, 0, otherwise),
];

/**
 * Gathers the file, the paths and the address that a call is about, as its recipe asks. `needs` are those of all recipes. r8 = the task.
 * A request's paths are the addresses of its struct filename.
 */
export const emitCallObjects = (context: HookContext, needs: number, source: ArgumentSource): void => {
  const { out, layout, extra } = context;
  const { path = 0, path2 = 0 } = layout.strings;
  out.emit(st('dw', R10, STACK.socket, 0));
  if ((needs & NEED.file) !== 0) emitOpenFile(context, needs, source);
  for (const [bit, slot, from] of [
    [NEED.path, path, EXTRA.path],
    [NEED.path2, path2, EXTRA.path2],
  ] as const) {
    if ((needs & bit) === 0) continue;
    const done = out.fresh('path.done');
    out.emit(...without(context, bit, done), ldx('dw', R3, R7, extra + from));
    emitNamedPath(out, slot, source);
    out.emit(label(done));
  }
  if ((needs & NEED.text) !== 0 && layout.strings.text !== undefined) {
    const done = out.fresh('text.done');
    out.emit(...without(context, NEED.text, done), ldx('dw', R3, R7, extra + EXTRA.text));
    emitPassedPath(out, R3, layout.strings.text, 'bpf_probe_read_user_str');
    out.emit(label(done));
  }
  if ((needs & NEED.cwd) !== 0)
    out.emit(
      ...without(context, NEED.cwd, 'cwd.done'),
      ldx('dw', R1, R7, HEAD.result),
      jslt(R1, 0, 'cwd.done'),
      comment('the folder that chdir started from is gone; the one it came to is what it named'),
      st('h', R7, path + STRING.length, 0),
      st('b', R7, path + STRING.state, STRING_STATE.relative),
      label('cwd.done'),
    );
  if ((needs & NEED.path) !== 0) emitBase(context, ['path', 'file'], 'base', EXTRA.dirfd);
  if ((needs & NEED.path2) !== 0) emitBase(context, ['path2'], 'base2', EXTRA.dirfd2);
  for (const [bit, end] of [
    [NEED.remoteAddress, 'remote'],
    [NEED.localAddress, 'local'],
  ] as const) {
    if ((needs & bit) === 0) continue;
    const done = out.fresh('address.done');
    out.emit(...without(context, bit, done));
    if (end === 'remote') emitKeepRemote(context, done, source);
    emitReadAddress(context, done, source);
    emitSockaddrEnd(context, end);
    out.emit(label(done));
  }
  out.emit(...currentTask);
};

/**
 * The file behind the event's descriptor: its facts, and its path where it has one. A failed open has the path as passed, and so has that of a file
 * that lies in no folder, as a link of /proc may lead to: a namespace, a pipe.
 */
const emitOpenFile = (context: HookContext, needs: number, source: ArgumentSource): void => {
  const { out, layout, extra } = context;
  const { file = 0 } = layout.strings;
  const socketName = context.hook.predicates.some(({ kernel }) => mayNameSocket(kernel)) ? 'file.done' : 'file.socket';
  out.emit(
    ...without(context, NEED.file, 'file.done'),
    ldx('w', R9, R7, HEAD.fd),
    lsh(R9, 32),
    arsh(R9, 32),
    jsge(R9, 0, 'file.open'),
    st('b', R7, file + STRING.state, source === 'request' ? STRING_STATE.unknown : STRING_STATE.absent),
  );
  if ((needs & NEED.open) !== 0) {
    out.emit(
      ...without(context, NEED.open, 'file.done'),
      ...(source === 'request'
        ? [comment('a file that is not open yet has the path as passed')]
        : [comment('a failed open has the path as passed'), st('b', R7, HEAD.typechar, 'f'.charCodeAt(0))]),
      label('file.passed'),
      ldx('dw', R3, R7, extra + EXTRA.path),
    );
    emitNamedPath(out, file, source);
  }
  out.emit(ja('file.done'), label('file.open'), st('b', R7, file + STRING.state, STRING_STATE.unknown));
  emitFileOfFd(out);
  emitFileFacts(out);
  out.emit(
    comment("user space puts a socket's name together; a Unix socket has none"),
    ldx('b', R1, R7, HEAD.typechar),
    jeq(R1, '4'.charCodeAt(0), socketName),
    jeq(R1, '6'.charCodeAt(0), socketName),
    jne(R1, 'u'.charCodeAt(0), 'file.named'),
    label('file.socket'),
    st('b', R7, file + STRING.state, STRING_STATE.absent),
    ja('file.done'),
    label('file.named'),
    ldx('dw', R9, R10, STACK.file),
    jeq(R9, 0, 'file.done'),
  );
  emitPathOf(out, 'file.f_path');
  emitPathWalk(out, file, extra + EXTRA.walk);
  if ((needs & NEED.open) !== 0)
    out.emit(
      ldx('b', R1, R7, file + STRING.state),
      jne(R1, STRING_STATE.absent, 'file.done'),
      ...without(context, NEED.open, 'file.done'),
      comment('opened by a path, but lies in no folder'),
      ja('file.passed'),
    );
  out.emit(label('file.done'));
};

/** Reads the path that a call names by the address in r3, or a request by that of its struct filename. */
const emitNamedPath = (out: Emitter, slot: number, source: ArgumentSource): void => {
  if (source === 'request')
    out.emit(
      st('dw', R10, STACK.name, 0),
      addField(R3, 'filename.name'),
      ...stackAddress(R1, STACK.name),
      mov(R2, 8),
      helper('bpf_probe_read_kernel'),
      ldx('dw', R3, R10, STACK.name),
    );
  emitPassedPath(out, R3, slot, source === 'request' ? 'bpf_probe_read_kernel_str' : 'bpf_probe_read_user_str');
};

/** Resolves the folder that a relative path starts from: a descriptor's, or the working directory. */
const emitBase = (context: HookContext, slots: readonly RecordString[], base: RecordString, dirfd: number): void => {
  const { out, layout, extra } = context;
  const into = layout.strings[base] ?? 0;
  const [wanted, byFd, walk, done] = ['base.wanted', 'base.fd', 'base.walk', 'base.done'].map((name) =>
    out.fresh(name),
  ) as [string, string, string, string];
  for (const slot of slots)
    out.emit(ldx('b', R1, R7, (layout.strings[slot] ?? 0) + STRING.state), jeq(R1, STRING_STATE.relative, wanted));
  out.emit(
    ja(done),
    label(wanted),
    comment('the folder that a relative path starts from'),
    ...currentTask,
    ldx('w', R9, R7, extra + dirfd),
    lsh(R9, 32),
    arsh(R9, 32),
    jne(R9, AT_FDCWD, byFd),
    ldxField('dw', R9, R8, 'task_struct.fs'),
  );
  emitPathOf(out, 'fs_struct.pwd');
  out.emit(ja(walk), label(byFd));
  emitFileOfFd(out);
  out.emit(ldx('dw', R9, R10, STACK.file), jeq(R9, 0, done));
  emitPathOf(out, 'file.f_path');
  out.emit(label(walk));
  emitPathWalk(out, into, extra + EXTRA.walk);
  out.emit(label(done));
};

/**
 * Jumps to `done` where the socket's own remote end is the event's: not where the call failed at once, nor for a datagram, which
 * goes to the address it names, nor for a connect that has not been made yet.
 */
const emitKeepRemote = (context: HookContext, done: string, source: ArgumentSource): void => {
  const { out, extra } = context;
  const [socket, passed] = [out.fresh('remote.socket'), out.fresh('remote.passed')];
  out.emit(
    ldx('h', R1, R7, HEAD.remote + END.family),
    jeq(R1, 0, passed),
    ldx('w', R1, R7, extra + EXTRA.needs),
    and(R1, NEED.sentTo),
    jeq(R1, 0, socket),
    ...probeFieldAt(STACK.length, 2, STACK.socket, 'sock.sk_type'),
    ldx('h', R1, R10, STACK.length),
    jeq(R1, SOCK_STREAM, done),
    ja(passed),
    label(socket),
    ...(source === 'request' ? [] : [ldx('dw', R1, R7, HEAD.result), jsge(R1, 0, done), jeq(R1, -EINPROGRESS, done)]),
    label(passed),
  );
};

/** Reads the sockaddr that the call passed, at most 28 bytes; jumps to `done` where there is none. */
const emitReadAddress = (context: HookContext, done: string, source: ArgumentSource): void => {
  const { out, extra } = context;
  const SOCKADDR_IN6 = 28;
  const short = out.fresh('address.short');
  out.emit(...clearAddress(R7, extra + EXTRA.sockaddr));
  out.emit(
    ldx('dw', R2, R7, extra + EXTRA.addressLength),
    jle(R2, SOCKADDR_IN6, short),
    mov(R2, SOCKADDR_IN6),
    label(short),
    jeq(R2, 0, done),
    mov(R1, R7),
    add(R1, extra + EXTRA.sockaddr),
    ldx('dw', R3, R7, extra + EXTRA.address),
  );
  if (source === 'request') {
    const [kernel, read] = [out.fresh('address.kernel'), out.fresh('address.read')];
    out.emit(
      ldx('w', R4, R7, extra + EXTRA.addressCopied),
      jne(R4, 0, kernel),
      helper('bpf_probe_read_user'),
      ja(read),
      label(kernel),
      helper('bpf_probe_read_kernel'),
      label(read),
    );
  } else out.emit(helper('bpf_probe_read_user'));
  out.emit(jne(R0, 0, done));
};

const clearAddress = (base: Register, at: number) => [0, 8, 16, 24].map((offset) => st('dw', base, at + offset, 0));
