import type { CallOptions, SimArgument } from '../../../../sensors/index.ts';
import { type Fact, is } from '../language/index.ts';
import {
  argument,
  type Context,
  call,
  emit,
  type Field,
  fileFields,
  intArgument,
  passed,
  resultFields,
} from './context.ts';
import type { Known } from './known.ts';

/** include/uapi/linux/ptrace.h */
export const PTRACE_REQUESTS = {
  PTRACE_TRACEME: 0,
  PTRACE_PEEKTEXT: 1,
  PTRACE_POKETEXT: 4,
  PTRACE_POKEDATA: 5,
  PTRACE_CONT: 7,
  PTRACE_SETREGS: 13,
  PTRACE_ATTACH: 16,
  PTRACE_DETACH: 17,
  PTRACE_SEIZE: 0x4206,
} as const;

/** include/uapi/linux/bpf.h */
export const BPF_COMMANDS = {
  BPF_MAP_CREATE: 0,
  BPF_MAP_FREEZE: 22,
  BPF_PROG_LOAD: 5,
  BPF_OBJ_PIN: 6,
  BPF_MAP_GET_NEXT_KEY: 4,
} as const;

const plainCall = (
  context: Context,
  process: Known,
  name: string,
  args: readonly SimArgument[],
  fields: readonly Field[],
  options: CallOptions = {},
): void => {
  const result = call(context, process, name, args, options);
  emit(context, name, process, ...resultFields(result), ...fields);
};

/** A call of ptrace, which another tool than a debugger may make too. */
export const ptrace = (context: Context, process: Known, request: keyof typeof PTRACE_REQUESTS, target: Known): void =>
  plainCall(
    context,
    process,
    'ptrace',
    [PTRACE_REQUESTS[request], target.pid, 0, 0],
    [argument('request', is(request)), intArgument('pid', target.pid)],
    { recorded: { result: -1 } },
  );

export const bpf = (context: Context, process: Known, command: number, text: Fact): void =>
  plainCall(context, process, 'bpf', [command, null, 0], [argument('cmd', text), argument('size', is('0'))]);

/** Makes a user namespace: which capabilities the process had before, nobody can tell behind the call. */
export const unshare = (context: Context, process: Known): void => {
  const sets = ['thread.cap_effective', 'thread.cap_permitted', 'thread.cap_inheritable'];
  const result = call(context, process, 'unshare', [0x1000_0000]);
  const unknown = result === 0 ? sets.map((field): Field => [field, 'unknown']) : [];
  emit(context, 'unshare', process, ...resultFields(result), argument('flags', 'untold'), ...unknown);
};

/** Enters another namespace by a descriptor of it, or of something else. */
export const setns = (context: Context, process: Known, fd: number): void => {
  const file = process.fds.get(fd);
  plainCall(
    context,
    process,
    'setns',
    [fd, 0],
    [
      ['fd.num', is(fd)],
      intArgument('fd', fd),
      argument('nstype', 'untold'),
      ...(file === undefined ? [] : fileFields(file.path, file.type)),
    ],
  );
};

export const loadModule = (context: Context, process: Known, fd: number | undefined): void => {
  if (fd === undefined) {
    plainCall(context, process, 'init_module', ['\x7fELF', 4, ''], [argument('len', is('4'))]);
    return;
  }
  const file = process.fds.get(fd);
  const fields: Field[] = [['fd.num', is(fd)], intArgument('fd', fd), intArgument('flags', 0)];
  if (file !== undefined) fields.push(...fileFields(file.path, file.type));
  plainCall(context, process, 'finit_module', [fd, '', 0], fields);
};

/** Mounts a new tmpfs. */
export const mount = (context: Context, process: Known, target: string): void =>
  plainCall(
    context,
    process,
    'mount',
    ['none', target, 'tmpfs', 0, null],
    [
      ['fs.path.source', passed(process.cwd, 'none')],
      ['fs.path.target', passed(process.cwd, target)],
      argument('source', passed(process.cwd, 'none')),
      argument('target', passed(process.cwd, target)),
      argument('fstype', 'untold'),
      ['fs.path.name', 'untold'],
      ['fs.path.nameraw', 'untold'],
      argument('flags', 'untold'),
    ],
  );
