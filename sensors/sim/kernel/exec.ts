import { E2BIG, EACCES, ELOOP, ENOEXEC, ETXTBSY } from '../../../engine/maps/index.ts';
import { S_ISGID, S_ISUID } from '../uapi.ts';
import { AddressSpace } from './address-spaces.ts';
import { bothOf, CAP_SETUID, Cred, eitherOf, endsDumping, isWithin, NO_CAPABILITIES } from './credentials.ts';
import { OpenFile } from './files.ts';
import { askGates } from './gate.ts';
import { copyText, decodeText, encodeText, KernelObject, type TextCopy } from './kernel-object.ts';
import type { Machine } from './machine.ts';
import { type Path, pathText } from './mounts.ts';
import { MAY_EXEC, MAY_READ } from './permissions.ts';
import type { Processes } from './processes.ts';
import { askSecurity } from './security.ts';
import { BINPRM } from './structs.ts';
import { PF_FORKNOEXEC, type Task } from './tasks.ts';
import { layOutStrings } from './user-memory.ts';

/** Longest single string, and all of them together with a stack limit of 8 MiB (MAX_ARG_STRLEN; execve(2)). */
const MAX_STRING = 131_072;
const MAX_STRINGS = 2 * 1024 * 1024;
/** BINPRM_BUF_SIZE: how much of a file the kernel looks at to tell what it is. */
const HEADER_BYTES = 256;
/** How many scripts may lead to one another. */
const MAX_INTERPRETERS = 5;
/** f_flags of a file that is opened to be executed: O_LARGEFILE and __FMODE_EXEC (fs/exec.c, do_open_execat). */
const FMODE_EXEC = 0x8020;

/** What exec is asked for. */
export interface ExecRequest {
  /** The file, already found; symbolic links followed. */
  readonly path: Path;
  /** bprm->filename: the path as passed, `/dev/fd/N` where execveat got a descriptor. */
  readonly filename: string;
  /** comm is the executed file's name instead of bprm->filename's last component (bprm->comm_from_dentry, 6.14 and the stable kernels since). */
  readonly commFromFile?: boolean;
  /** Asked for once the file is open. @throws CallError where they are nowhere */
  readonly argv: () => readonly string[];
  readonly env: () => readonly string[];
}

/** The same with its strings. */
interface Execution extends Omit<ExecRequest, 'argv' | 'env'> {
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

/** A program about to run (struct linux_binprm). */
class BinaryProgram extends KernelObject {
  readonly #filename: TextCopy;
  /** Where it is not the file itself. */
  #interpreter: TextCopy | undefined;

  constructor(machine: Machine, request: Execution, cred: Cred) {
    super(machine.memory, BINPRM.size);
    this.setPointer(BINPRM.cred, cred.at);
    this.setU32(BINPRM.argc, request.argv.length);
    this.setU32(BINPRM.envc, request.env.length);
    this.#filename = copyText(machine.memory, request.filename);
    this.setPointer(BINPRM.filename, this.#filename.at);
    this.setPointer(BINPRM.interp, this.#filename.at);
  }

  set interpreter(path: string) {
    this.#freeInterpreter();
    this.#interpreter = copyText(this.memory, path);
    this.setPointer(BINPRM.interp, this.#interpreter.at);
  }

  set file(file: OpenFile) {
    this.setPointer(BINPRM.file, file.at);
  }

  set mm(mm: AddressSpace) {
    this.setPointer(BINPRM.mm, mm.at);
  }

  release(): void {
    this.memory.free(this.#filename.at, this.#filename.size);
    this.#freeInterpreter();
    this.free();
  }

  #freeInterpreter(): void {
    if (this.#interpreter) this.memory.free(this.#interpreter.at, this.#interpreter.size);
  }
}

/** Opens a file to execute it, through the file_open hook as any other open. */
const openToExecute = (machine: Machine, task: Task, path: Path): OpenFile | number => {
  const { inode } = path.dentry;
  if (inode.isLink) return -ELOOP;
  if (!inode.isRegular || !machine.permissions.may(task.cred, inode, MAY_EXEC)) return -EACCES;
  if (inode.writers > 0 && !machine.recorded) return -ETXTBSY;
  const file = new OpenFile(machine.memory, path, FMODE_EXEC);
  const asked = askSecurity(machine, 'file_open', [file]);
  const verdict = asked < 0 || machine.gates.size === 0 ? asked : askGates(machine, task, file, 'exec');
  if (verdict >= 0) return file;
  file.release();
  return verdict;
};

/** @param text ASCII */
const startsWith = (bytes: Uint8Array, text: string): boolean => {
  for (let index = 0; index < text.length; index++) if (bytes[index] !== text.charCodeAt(index)) return false;
  return true;
};

const [NEWLINE, BLANK, TAB] = [0x0a, 0x20, 0x09] as const;

/**
 * The interpreter and its one argument that a script's first line names (fs/binfmt_script.c, load_script); undefined for what is no script. A line that ends
 * with the file, without a name, names an empty one.
 * @param header up to HEADER_BYTES of the file; behind its end there are zeros
 */
export const interpreterOf = (
  header: Uint8Array,
): { readonly path: string; readonly argument: string | undefined } | undefined => {
  if (!startsWith(header, '#!')) return undefined;
  const at = (index: number): number => header[index] ?? 0;
  const isBlank = (index: number): boolean => at(index) === BLANK || at(index) === TAB;
  const first = (from: number, last: number, holds: (index: number) => boolean): number | undefined => {
    for (let index = from; index <= last; index++) if (holds(index)) return index;
    return undefined;
  };
  const isEnd = (index: number): boolean => isBlank(index) || at(index) === 0;
  const isText = (index: number): boolean => !isBlank(index);
  const textFrom = (from: number, before: number): string => {
    const end = first(from, before - 1, (index) => at(index) === 0) ?? before;
    return decodeText(header.subarray(from, end));
  };

  const last = HEADER_BYTES - 1;
  let end = first(0, last, (index) => at(index) === NEWLINE || at(index) === 0);
  if (end === undefined || at(end) !== NEWLINE) {
    const start = first(2, last, isText);
    if (start === undefined || first(start, last, isEnd) === undefined) return undefined;
    end = last;
  }
  while (isBlank(end - 1)) end--;
  const name = first(2, end, isText);
  if (name === undefined || name === end) return undefined;
  const separator = first(name, end, isEnd);
  const argument = separator === undefined || at(separator) === 0 ? undefined : first(separator, end, isText);
  return {
    path: textFrom(name, argument === undefined ? end : separator!),
    argument: argument === undefined ? undefined : textFrom(argument, end),
  };
};

/** sizeof(Elf64_Ehdr), sizeof(Elf64_Phdr), ELFCLASS64, ET_EXEC and ET_DYN, EM_X86_64 (include/uapi/linux/elf.h). */
const [ELF_HEADER, PROGRAM_HEADER, CLASS64, TYPES, X86_64] = [64, 56, 2, [2, 3], 62] as const;

/** Whether a file runs: it begins as ELF files do, and what has a class has the whole header of a 64-bit x86 program (fs/binfmt_elf.c). */
const isProgram = (header: Uint8Array): boolean => {
  if (!startsWith(header, '\x7fELF')) return false;
  if (header[4] !== CLASS64) return true;
  if (header.length < ELF_HEADER) return false;
  const view = new DataView(header.buffer, header.byteOffset);
  const type = view.getUint16(16, true);
  return (
    TYPES.some((one) => one === type) &&
    view.getUint16(18, true) === X86_64 &&
    view.getUint16(54, true) === PROGRAM_HEADER
  );
};

/** Another process could change root or working directory under a program with more rights (fs/exec.c, check_unsafe_exec). */
const sharesFs = ({ fs, group }: Task): boolean =>
  fs.users > group.threads.filter((thread) => thread.alive && thread.fs === fs).length;

/** A file's ids in effect and capabilities after exec (capabilities(7), "Capabilities and execution of programs by root"). */
const credentialsAfter = (machine: Machine, task: Task, path: Path): Cred => {
  const { cred, noNewPrivileges } = task;
  const { inode } = path.dentry;
  let euid = !noNewPrivileges && (inode.mode & S_ISUID) !== 0 ? inode.uid : cred.euid;
  const setgid = !noNewPrivileges && (inode.mode & (S_ISGID | 0o010)) === (S_ISGID | 0o010);
  let egid = setgid ? inode.gid : cred.egid;
  const root = euid === 0 || cred.uid === 0;
  const isEffective = euid === 0;
  const { bounding } = cred.kept;
  let permitted = root ? eitherOf(bounding, cred.inheritable) : NO_CAPABILITIES;
  const isOther = euid !== cred.euid || !(egid === cred.egid || cred.inGroup(egid));
  if ((noNewPrivileges || sharesFs(task)) && (isOther || !isWithin(permitted, cred.permitted))) {
    if (noNewPrivileges || !cred.capable(CAP_SETUID)) [euid, egid] = [cred.uid, cred.gid];
    permitted = bothOf(permitted, cred.permitted);
  }
  const ambient = isOther ? NO_CAPABILITIES : cred.kept.ambient;
  permitted = eitherOf(permitted, ambient);
  const kept = { bounding, ambient, inheritable: cred.inheritable };
  const ids = { uid: cred.uid, gid: cred.gid, suid: euid, sgid: egid, euid, egid, fsuid: euid, fsgid: egid };
  return new Cred(machine.memory, ids, cred.groups, permitted, isEffective ? permitted : ambient, kept);
};

/** The most bytes that a unit of UTF-16 takes in UTF-8. */
const MOST_BYTES = 3;

/** Whether texts may be too many or too long, without a look at their characters. */
const mayBeTooBig = (texts: readonly string[]): boolean => {
  let most = 0;
  for (const { length } of texts) {
    most += MOST_BYTES * length + 9;
    if (MOST_BYTES * length >= MAX_STRING) return true;
  }
  return most > MAX_STRINGS / 2;
};

const tooBig = (argv: readonly string[], env: readonly string[]): boolean => {
  if (!mayBeTooBig(argv) && !mayBeTooBig(env)) return false;
  let total = 0;
  for (const text of [...argv, ...env]) {
    const length = encodeText(text).length + 1;
    if (length > MAX_STRING) return true;
    total += length + 8;
  }
  return total > MAX_STRINGS;
};

/** The strings a program is given; what was opened to run it is closed again where they are nowhere. */
const stringsOf = (request: ExecRequest, opened: OpenFile): Pick<Execution, 'argv' | 'env'> => {
  try {
    return { argv: request.argv(), env: request.env() };
  } catch (error) {
    opened.release();
    throw error;
  }
};

/** Runs a program in a task's place (fs/exec.c). Returns 0 or a negative errno; after an error nothing has changed. */
export const execute = (machine: Machine, processes: Processes, task: Task, request: ExecRequest): number => {
  const opened = openToExecute(machine, task, request.path);
  if (typeof opened === 'number') return opened;
  const strings = stringsOf(request, opened);
  if (tooBig(strings.argv, strings.env)) {
    opened.release();
    return -E2BIG;
  }
  let argv = strings.argv.length > 0 ? strings.argv : [''];
  const execution: Execution = { ...request, argv, env: strings.env };
  const program = new BinaryProgram(machine, execution, task.cred);
  const found = findBinary(machine, task, program, opened, request.filename, argv);
  if (typeof found === 'number') {
    program.release();
    return found;
  }
  argv = found.argv;
  replaceProgram(machine, processes, task, program, found.file, { ...execution, argv });
  program.release();
  return 0;
};

/** Lets LSM programs see an exec that was refused when it was recorded. */
export const showExecution = (machine: Machine, task: Task, request: Execution): void => {
  const opened = openToExecute(machine, task, request.path);
  if (typeof opened === 'number') return;
  const program = new BinaryProgram(machine, request, task.cred);
  const found = findBinary(machine, task, program, opened, request.filename, request.argv);
  if (typeof found !== 'number') found.file.release();
  program.release();
};

/** Follows scripts to the binary that runs, asking bprm_check_security at each step. Releases the files on the way. */
const findBinary = (
  machine: Machine,
  task: Task,
  program: BinaryProgram,
  opened: OpenFile,
  filename: string,
  arguments_: readonly string[],
): { readonly file: OpenFile; readonly argv: readonly string[] } | number => {
  let file = opened;
  let argv = arguments_;
  let name = filename;
  for (let depth = 0; depth <= MAX_INTERPRETERS; depth++) {
    program.file = file;
    const verdict = askSecurity(machine, 'bprm_check_security', [program]);
    if (verdict < 0) {
      file.release();
      return verdict;
    }
    const { inode } = file;
    const interpreter = inode.startsWith('#!') ? interpreterOf(inode.head(HEADER_BYTES)) : undefined;
    if (!interpreter) {
      if (machine.recorded || isProgram(inode.head(HEADER_BYTES))) return { file, argv };
      file.release();
      return -ENOEXEC;
    }
    file.release();
    argv = [
      interpreter.path,
      ...(interpreter.argument === undefined ? [] : [interpreter.argument]),
      name,
      ...argv.slice(1),
    ];
    name = interpreter.path;
    program.interpreter = name;
    // an empty name is the working directory's, which can't be executed
    const path = name === '' ? -EACCES : machine.walk.find(task, task.fs.cwd, name, true);
    if (typeof path === 'number') return path;
    const next = openToExecute(machine, task, path);
    if (typeof next === 'number') return next;
    file = next;
  }
  file.release();
  return -ELOOP;
};

/** What a program with other ids doesn't take over (include/uapi/linux/personality.h): ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC and the like. */
const PER_CLEAR_ON_SETID = 0x0474_0000;

/** From here on exec can't fail (begin_new_exec). */
const replaceProgram = (
  machine: Machine,
  processes: Processes,
  task: Task,
  program: BinaryProgram,
  file: OpenFile,
  request: Execution,
): void => {
  const oldPid = task.pid;
  const cred = credentialsAfter(machine, task, file.path);
  const isReadable = machine.permissions.may(task.cred, file.inode, MAY_READ);
  processes.becomeSingleThreaded(task);
  const hadOtherIds = task.cred.euid !== task.cred.uid || task.cred.egid !== task.cred.gid;
  const before = task.mm;
  const mm = new AddressSpace(machine.memory, file);
  mm.strings = layOutStrings(request.argv, request.env, request.filename);
  if (task.group.namespace.untold && request.env.length === 0) mm.hideEnvironment();
  mm.dumpable = !hadOtherIds && !endsDumping(task.cred, cred) && isReadable;
  if (cred.euid !== task.cred.euid || cred.egid !== task.cred.egid) task.personality &= ~PER_CLEAR_ON_SETID;
  program.mm = mm;
  task.mm = mm;
  before?.release();
  machine.scratch.reset('x86-64');
  task.unshareFiles();
  task.files.closeForExec();
  task.hasRings = false;
  task.cred = cred;
  task.comm =
    request.commFromFile === true
      ? file.path.dentry.name
      : request.filename.slice(request.filename.lastIndexOf('/') + 1);
  task.exepath = pathText(file.path);
  task.argv = request.argv;
  task.flags &= ~PF_FORKNOEXEC;
  task.group.catchNone();
  const hook = machine.hooks['tp_btf/sched_process_exec'];
  if (!hook.active) return;
  hook.setPointer(0, task.at);
  hook.setNumber(1, oldPid);
  hook.setPointer(2, program.at);
  hook.run();
};
