import {
  add,
  and,
  be,
  comment,
  type Item,
  jeq,
  jle,
  jne,
  label,
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
  st,
  stx,
  sub,
} from '../../engine/isa/index.ts';
import type { HookName } from '../../engine/object/index.ts';
import { AF_INET, AF_INET6, EVENT_TYPES } from '../language/index.ts';
import { type End, EVENT_OF_HOOK } from '../plan/index.ts';
import { EXTRA, type HookContext } from './context.ts';
import { helper, probeFieldAt, STACK } from './emitter.ts';
import { emitFileFacts, emitSockaddrEnd, emitSocketEnds } from './gather.ts';
import { CONNECTED, END, HEAD, STRING, STRING_STATE } from './layout.ts';
import { emitPathOf, emitPathWalk } from './path.ts';
import { emitPassedPath } from './strings.ts';

/** __FMODE_EXEC, which exec puts into f_flags (include/linux/fs.h). */
const FMODE_EXEC = 0x20;
/** READING_MODULE and LOADING_MODULE (include/linux/kernel_read_file.h). */
const MODULE_ID = 2;
/** PTRACE_MODE_ATTACH (include/linux/ptrace.h). */
const MODE_ATTACH = 2;
/** LSM_SETID_FS (include/linux/security.h): setfsuid, which every open of a file server calls. */
const SETID_FS = 8;
const SOCKADDR_IN6 = 28;
const SOCK_STREAM = 1;
/** struct bpf_sock_addr of include/uapi/linux/bpf.h. */
const SOCK_ADDR = { ip4: 4, ip6: 8, port: 24, protocol: 36 } as const;

type Gather = (context: HookContext) => void;

/** dst = an argument of the hook, which r6 points to. */
const argument = (dst: typeof R9, index: number): Item => ldx('dw', dst, R6, 8 * index);

/** The record's place of an argument of the call that the hook's events count as. */
const placeOf = ({ layout }: HookContext, name: string): number => {
  const event = EVENT_TYPES.get(EVENT_OF_HOOK[layout.hook] ?? '');
  const index = event?.arguments.findIndex((each) => each.name === name) ?? -1;
  if (index < 0) throw new Error(`${layout.hook} has no argument ${name}`);
  return HEAD.arguments + 8 * index;
};

/** A number of the hook goes into the record as the call's argument, signed 32 bits of it, or `mask`. */
const emitNumber = (context: HookContext, index: number, name: string, mask?: number): void =>
  context.out.emit(
    argument(R1, index),
    ...(mask === undefined ? [] : [and(R1, mask)]),
    stx('dw', R7, placeOf(context, name), R1),
  );

/** Path and facts of the file in r9 go into the record. */
const emitFile = (context: HookContext): void => {
  const { out, layout, extra } = context;
  const file = layout.strings.file ?? 0;
  const none = out.fresh('file.none');
  out.emit(
    st('w', R7, HEAD.fd, -1),
    st('b', R7, file + STRING.state, STRING_STATE.unknown),
    stx('dw', R10, STACK.file, R9),
    jeq(R9, 0, none),
  );
  emitFileFacts(out);
  out.emit(ldx('dw', R9, R10, STACK.file));
  emitPathOf(out, 'file.f_path');
  emitPathWalk(out, file, extra + EXTRA.walk);
  out.emit(label(none));
};

/** Only what is read back from memory is a number to a verifier, which takes paths with other types for other paths. */
const asNumber = ({ extra }: HookContext): readonly Item[] => [
  stx('dw', R7, extra + EXTRA.address, R9),
  ldx('dw', R9, R7, extra + EXTRA.address),
];

/** The path of the struct path that the argument points to. */
const emitArgumentPath = (context: HookContext, slot: 'path' | 'path2', index: number): void => {
  const { out, layout, extra } = context;
  out.emit(argument(R9, index), ...asNumber(context));
  emitPathOf(out, 'path');
  emitPathWalk(out, layout.strings[slot] ?? 0, extra + EXTRA.walk);
};

/** The path of a directory entry, there or not, on the mount of a folder that another argument is the struct path of. */
const emitEntryPath = (context: HookContext, slot: 'path' | 'path2', folder: number, entry: number): void => {
  const { out, layout, extra } = context;
  out.emit(
    argument(R9, folder),
    ...asNumber(context),
    stx('dw', R10, STACK.scratch, R9),
    ...probeFieldAt(STACK.mount, 8, STACK.scratch, 'path.mnt'),
    ldx('dw', R1, R10, STACK.mount),
    movField(R2, 'mount.mnt', 'offset'),
    sub(R1, R2),
    stx('dw', R10, STACK.mount, R1),
    argument(R9, entry),
    ...asNumber(context),
    stx('dw', R10, STACK.dentry, R9),
  );
  emitPathWalk(out, layout.strings[slot] ?? 0, extra + EXTRA.walk);
};

/** The kernel's copy of a text, where a rule reads it. */
const emitText = ({ out, layout }: HookContext, index: number): void => {
  if (layout.strings.text === undefined) return;
  out.emit(argument(R3, index));
  emitPassedPath(out, R3, layout.strings.text, 'bpf_probe_read_kernel_str');
};

/** Both ends of the socket that is the first argument. */
const emitSocket = ({ out }: HookContext): void => {
  out.emit(argument(R9, 0), ldxField('dw', R1, R9, 'socket.sk'), stx('dw', R10, STACK.socket, R1));
  emitSocketEnds(out);
};

/** An end of the socket from the kernel's copy of a sockaddr: its address is in r3, its length in r2. */
const emitAddress = (context: HookContext, end: End): void => {
  const { out, extra } = context;
  const [short, done] = [out.fresh('address.short'), out.fresh('address.done')];
  for (const offset of [0, 8, 16, 24]) out.emit(st('dw', R7, extra + EXTRA.sockaddr + offset, 0));
  for (const offset of [0, 8, 16]) out.emit(st('dw', R7, HEAD[end] + offset, 0));
  out.emit(
    comment("the kernel's copy of the address"),
    jle(R2, SOCKADDR_IN6, short),
    mov(R2, SOCKADDR_IN6),
    label(short),
    mov(R1, R7),
    add(R1, extra + EXTRA.sockaddr),
    and(R2, 31),
    helper('bpf_probe_read_kernel'),
    jne(R0, 0, done),
  );
  emitSockaddrEnd(context, end);
  out.emit(label(done));
};

/** The address that a program for cgroups is asked about, whose context r6 points to. */
const fromContext =
  (end: End, family: 4 | 6): Gather =>
  ({ out }) => {
    out.emit(
      st('b', R7, HEAD.typechar, String(family).charCodeAt(0)),
      st('h', R7, HEAD[end] + END.family, family === 4 ? AF_INET : AF_INET6),
      ldx('w', R1, R6, SOCK_ADDR.port),
      be(R1, 16),
      stx('h', R7, HEAD[end] + END.port, R1),
      ldx('w', R1, R6, SOCK_ADDR.protocol),
      stx('h', R7, HEAD.protocol, R1),
      st('b', R7, HEAD.connected, CONNECTED.no),
    );
    if (family === 4) out.emit(ldx('w', R1, R6, SOCK_ADDR.ip4), stx('w', R7, HEAD[end] + END.address, R1));
    else
      for (const at of [0, 8])
        out.emit(ldx('dw', R1, R6, SOCK_ADDR.ip6 + at), stx('dw', R7, HEAD[end] + END.address + at, R1));
  };

/** How the call's object is gathered at each hook before the effect; `exit` is where a call goes that no rule is about. */
const GATHER = {
  'lsm/file_open': (context) => {
    context.out.emit(
      argument(R9, 0),
      ldxField('w', R1, R9, 'file.f_flags'),
      stx('w', R7, HEAD.flags, R1),
      comment('what exec opens is no open'),
      and(R1, FMODE_EXEC),
      jne(R1, 0, 'exit'),
    );
    emitFile(context);
  },
  'lsm/bprm_check_security': (context) => {
    context.out.emit(argument(R9, 0), ldxField('dw', R9, R9, 'linux_binprm.file'));
    emitFile(context);
  },
  'lsm/path_unlink': (context) => emitEntryPath(context, 'path', 0, 1),
  'lsm/path_rename': (context) => {
    emitEntryPath(context, 'path', 0, 1);
    emitEntryPath(context, 'path2', 2, 3);
  },
  'lsm/path_link': (context) => {
    emitEntryPath(context, 'path', 1, 0);
    emitEntryPath(context, 'path2', 1, 2);
  },
  'lsm/path_symlink': (context) => {
    emitEntryPath(context, 'path', 0, 1);
    emitText(context, 2);
  },
  'lsm/path_chmod': (context) => {
    emitNumber(context, 1, 'mode', 0xffff);
    emitArgumentPath(context, 'path', 0);
  },
  'lsm/task_kill': (context) => emitNumber(context, 2, 'sig'),
  'lsm/task_fix_setuid': (context) => {
    context.out.emit(
      argument(R1, 2),
      and(R1, SETID_FS),
      jne(R1, 0, 'exit'),
      argument(R9, 0),
      ldxField('w', R1, R9, 'cred.euid.val'),
      stx('dw', R7, placeOf(context, 'uid'), R1),
    );
  },
  'lsm/ptrace_access_check': ({ out }) => out.emit(argument(R1, 1), and(R1, MODE_ATTACH), jeq(R1, 0, 'exit')),
  'lsm/sb_mount': (context) => {
    emitNumber(context, 3, 'flags');
    emitArgumentPath(context, 'path2', 1);
    emitText(context, 2);
  },
  'lsm/kernel_read_file': (context) => {
    context.out.emit(ldx('w', R1, R6, 8), jne(R1, MODULE_ID, 'exit'), argument(R9, 0));
    emitFile(context);
  },
  'lsm/kernel_load_data': ({ out }) => out.emit(ldx('w', R1, R6, 0), jne(R1, MODULE_ID, 'exit')),
  'lsm/bpf': (context) => {
    emitNumber(context, 0, 'cmd');
    emitNumber(context, 2, 'size');
  },
  'lsm/socket_connect': (context) => {
    emitSocket(context);
    context.out.emit(argument(R2, 2), argument(R3, 1));
    emitAddress(context, 'remote');
  },
  'lsm/socket_bind': (context) => {
    emitSocket(context);
    context.out.emit(argument(R2, 2), argument(R3, 1));
    emitAddress(context, 'local');
  },
  'lsm/socket_sendmsg': (context) => {
    const { out } = context;
    const [named, done] = [out.fresh('message.named'), out.fresh('message.done')];
    emitSocket(context);
    out.emit(
      argument(R9, 1),
      ldxField('dw', R3, R9, 'msghdr.msg_name'),
      jeq(R3, 0, done),
      comment('a connected stream goes where it is connected to'),
      ldx('h', R1, R7, HEAD.remote + END.family),
      jeq(R1, 0, named),
      st('dw', R10, STACK.length, 0),
      ...probeFieldAt(STACK.length, 2, STACK.socket, 'sock.sk_type'),
      ldx('h', R1, R10, STACK.length),
      jeq(R1, SOCK_STREAM, done),
      label(named),
      argument(R9, 1),
      ldxField('dw', R3, R9, 'msghdr.msg_name'),
      ldxField('w', R2, R9, 'msghdr.msg_namelen'),
    );
    emitAddress(context, 'remote');
    out.emit(label(done));
  },
  'cgroup/connect4': fromContext('remote', 4),
  'cgroup/connect6': fromContext('remote', 6),
  'cgroup/sendmsg4': fromContext('remote', 4),
  'cgroup/sendmsg6': fromContext('remote', 6),
  'cgroup/bind4': fromContext('local', 4),
  'cgroup/bind6': fromContext('local', 6),
} satisfies Partial<Record<HookName, Gather>> as Readonly<Partial<Record<HookName, Gather>>>;

/** Whether programs are generated for a hook before the effect. */
export const isBeforeEffect = (hook: HookName): boolean => GATHER[hook] !== undefined;

/** Gathers what the call at a hook before the effect is about. */
export const emitGatherBeforeEffect = (context: HookContext): void => GATHER[context.layout.hook]?.(context);
