import {
  add,
  and,
  arsh,
  comment,
  exit,
  ja,
  jeq,
  jge,
  jle,
  jne,
  jsge,
  jsgt,
  jslt,
  label,
  lddw,
  ldx,
  ldxField,
  loadMap,
  lsh,
  mov,
  or,
  R0,
  R1,
  R2,
  R3,
  R6,
  R7,
  R8,
  R9,
  R10,
  type Register,
  st,
  stx,
} from '../../engine/isa/index.ts';
import { AT_FDCWD, type EventType, OPEN_FLAGS, Truth } from '../language/index.ts';
import {
  assume,
  type EventPlan,
  EXEC_EVENTS,
  type KernelPredicate,
  literalsOf,
  OPEN_EVENTS,
  type PlannedRule,
} from '../plan/index.ts';
import { EXTRA, type HookContext } from './context.ts';
import { helper, probeFieldAt, STACK, stackAddress } from './emitter.ts';
import { emitOutput, emitVerdicts } from './enforce.ts';
import { emitFormula } from './formulas.ts';
import {
  currentTask,
  emitClear,
  emitFileFacts,
  emitFileOfFd,
  emitHead,
  emitScratch,
  emitSockaddrEnd,
} from './gather.ts';
import { emitLatePredicates } from './late.ts';
import { END, HEAD, IA32_BIT, type RecordString, STRING, STRING_STATE, UNKNOWN_FLAGS } from './layout.ts';
import { emitPathOf, emitPathWalk } from './path.ts';
import { emitOwnProcess, emitPredicate, isLate } from './predicates.ts';
import { emitPassedPath } from './strings.ts';

/** System call numbers of one table that are told apart; both ABIs' tables end below it. */
export const CALL_NUMBERS = 512;
const TS_COMPAT = 2;
const SOCK_STREAM = 1;
const EINPROGRESS = 115;
/** -ERESTARTSYS to -ERESTART_RESTARTBLOCK: the call was interrupted and has no result (include/linux/errno.h). */
const RESTART = { first: -516, last: -512 } as const;

/** What `address:port->address:port` is written with. */
const SOCKET_NAME = /^[0-9a-f.:[\]>*?-]*$/;

/** Whether a predicate on a file's name could hold for a socket's, which the kernel part doesn't know. */
const mayNameSocket = (kernel: KernelPredicate): boolean =>
  kernel.place === 'string' &&
  kernel.of === 'file' &&
  (kernel.test.negated || kernel.test.patterns.some((pattern) => SOCKET_NAME.test(pattern.text.toLowerCase())));

/** What a recipe needs gathered for candidates. */
const NEED = {
  file: 1,
  open: 2,
  path: 4,
  path2: 8,
  remoteAddress: 16,
  localAddress: 32,
  sentTo: 64,
  cwd: 128,
} as const;

/** Rules that several event types share. */
interface RuleClass {
  readonly key: string;
  readonly rules: readonly PlannedRule[];
}

/** How the arguments of some event types are laid out, with the rules that look at them. */
interface Recipe {
  readonly number: number;
  readonly events: EventType[];
  readonly ruleClass: number;
}

const argumentOf = (event: EventType, ...kinds: readonly string[]): number =>
  event.arguments.findIndex((argument) => kinds.includes(argument.kind));

/** What decides the code that reads an event's arguments. */
const shapeOf = (event: EventType): string =>
  JSON.stringify([
    event.fd,
    event.arguments.map((argument) => argument.kind),
    OPEN_EVENTS.includes(event.type),
    ['creat', 'openat2', 'bind', 'sendto', 'chdir'].includes(event.type) || EXEC_EVENTS.includes(event.type)
      ? event.type
      : '',
  ]);

const classify = (events: readonly EventPlan[]): { readonly classes: RuleClass[]; readonly recipes: Recipe[] } => {
  const classes: RuleClass[] = [];
  const recipes = new Map<string, Recipe>();
  const numbers = new Map<PlannedRule, number>();
  const numberOf = (rule: PlannedRule): number => {
    if (!numbers.has(rule)) numbers.set(rule, numbers.size);
    return numbers.get(rule) ?? 0;
  };
  for (const plan of events) {
    const key = plan.rules.map(numberOf).join();
    let ruleClass = classes.findIndex((candidate) => candidate.key === key);
    if (ruleClass < 0) ruleClass = classes.push({ key, rules: plan.rules }) - 1;
    const shape = `${ruleClass} ${shapeOf(plan.event)}`;
    const known = recipes.get(shape);
    if (known === undefined) recipes.set(shape, { number: recipes.size + 1, events: [plan.event], ruleClass });
    else known.events.push(plan.event);
  }
  return { classes, recipes: [...recipes.values()] };
};

/** The contents of the `calls` map: the recipe of each (ABI, number), 0 where no rule looks. */
export const callTable = (events: readonly EventPlan[]): ReadonlyMap<number, number> => {
  const table = new Map<number, number>();
  for (const recipe of classify(events).recipes) {
    for (const event of recipe.events) {
      if (event.nr >= 0) table.set(event.nr, recipe.number);
      if (event.nr32 >= 0) table.set(CALL_NUMBERS + event.nr32, recipe.number);
    }
  }
  return table;
};

/** The detection program: every call that some rule names, with its arguments and its result. */
export const emitSysExit = (context: HookContext): void => {
  const { out, hook, extra } = context;
  const { classes, recipes } = classify(hook.events);
  out.emit(comment('which call'), mov(R6, R1), ...currentTask);
  emitDispatch(context);
  out.emit(comment('what the rules on this call need'));
  for (const recipe of recipes) out.emit(jeq(R9, recipe.number, `recipe.${recipe.number}`));
  out.emit(label('exit'), mov(R0, 0), exit());
  for (const recipe of recipes) emitRecipe(context, recipe);
  for (const [number, ruleClass] of classes.entries()) emitCandidates(context, number, ruleClass);
  emitLate(context);
  out.emit(ldx('w', R9, R7, extra + EXTRA.recipe));
  for (const [number] of classes.entries()) out.emit(jeq(R9, number, `final.${number}`));
  out.emit(ja('exit'));
  for (const [number, ruleClass] of classes.entries()) {
    out.emit(label(`final.${number}`));
    emitVerdicts(context, ruleClass.rules, 'exit');
    out.emit(ja('output'));
  }
  out.emit(label('output'));
  emitOutput(context);
  out.emit(ja('exit'));
};

/** r9 = the recipe of the call, r7 = the record with its head and arguments; leaves the program for calls that no rule names. */
const emitDispatch = (context: HookContext): void => {
  const { out } = context;
  out.emit(
    ldx('dw', R2, R6, 0),
    ldxField('dw', R9, R2, 'pt_regs.orig_ax'),
    jge(R9, CALL_NUMBERS, 'leave'),
    ldxField('w', R1, R8, 'task_struct.thread_info.status'),
    and(R1, TS_COMPAT),
    jeq(R1, 0, 'native'),
    add(R9, CALL_NUMBERS),
    label('native'),
    stx('w', R10, STACK.index, R9),
    loadMap(R1, 'calls'),
    ...stackAddress(R2, STACK.index),
    helper('bpf_map_lookup_elem'),
    jeq(R0, 0, 'leave'),
    ldx('w', R9, R0, 0),
    jeq(R9, 0, 'leave'),
    comment('interrupted calls have no result'),
    ldx('dw', R1, R6, 8),
    jsgt(R1, RESTART.last, 'finished'),
    jslt(R1, RESTART.first, 'finished'),
    label('leave'),
    mov(R0, 0),
    exit(),
    label('finished'),
  );
  emitScratch(out);
  emitClear(context);
  emitHead(context, 'event');
  out.emit(
    comment('result and arguments'),
    ldx('dw', R1, R6, 8),
    stx('dw', R7, HEAD.result, R1),
    ldx('dw', R2, R6, 0),
    ldxField('dw', R3, R2, 'pt_regs.orig_ax'),
    ldxField('w', R1, R8, 'task_struct.thread_info.status'),
    and(R1, TS_COMPAT),
    jne(R1, 0, 'compat'),
    stx('w', R7, HEAD.event, R3),
  );
  for (const [index, register] of ['di', 'si', 'dx', 'r10', 'r8', 'r9'].entries())
    out.emit(ldxField('dw', R1, R2, `pt_regs.${register}`), stx('dw', R7, HEAD.arguments + 8 * index, R1));
  out.emit(ja('arguments'), label('compat'), lddw(R1, IA32_BIT), or(R3, R1), stx('w', R7, HEAD.event, R3));
  for (const [index, register] of ['bx', 'cx', 'dx', 'si', 'di', 'bp'].entries())
    out.emit(ldxField('w', R1, R2, `pt_regs.${register}`), stx('dw', R7, HEAD.arguments + 8 * index, R1));
  out.emit(label('arguments'));
};

/** Puts an event's arguments where the common code looks for them. */
const emitRecipe = (context: HookContext, recipe: Recipe): void => {
  const { out, extra } = context;
  const event = recipe.events[0]!;
  const at = (index: number): number => HEAD.arguments + 8 * index;
  const copy = (index: number, offset: number, size: 'w' | 'dw') => [
    ldx(size, R1, R7, at(index)),
    stx(size, R7, offset, R1),
  ];
  let needs = 0;
  out.emit(
    comment(recipe.events.map((each) => each.type).join(', ')),
    label(`recipe.${recipe.number}`),
    st('w', R7, extra + EXTRA.recipe, recipe.ruleClass),
  );
  if (EXEC_EVENTS.includes(event.type)) out.emit(ldx('dw', R1, R7, HEAD.result), jsge(R1, 0, 'exit'));
  if (event.fd === 'result') {
    const failed = `failed.${recipe.number}`;
    out.emit(
      ldx('dw', R1, R7, HEAD.result),
      jsge(R1, 0, failed),
      mov(R1, -1),
      label(failed),
      stx('w', R7, HEAD.fd, R1),
    );
  } else if (event.fd !== undefined) out.emit(...copy(event.fd, HEAD.fd, 'w'));
  if (event.fd !== undefined) needs |= NEED.file;
  if (OPEN_EVENTS.includes(event.type)) needs |= NEED.open;

  const flags = argumentOf(event, 'openflags');
  if (flags >= 0) out.emit(...copy(flags, HEAD.flags, 'w'));
  else if (event.type === 'creat')
    out.emit(st('w', R7, HEAD.flags, OPEN_FLAGS.O_CREAT | OPEN_FLAGS.O_WRONLY | OPEN_FLAGS.O_TRUNC));
  else if (event.type === 'openat2') {
    const read = `flags.${recipe.number}`;
    out.emit(
      ...stackAddress(R1, STACK.scratch),
      mov(R2, 8),
      ldx('dw', R3, R7, at(2)),
      helper('bpf_probe_read_user'),
      ldx('dw', R1, R10, STACK.scratch),
      jeq(R0, 0, read),
      lddw(R1, UNKNOWN_FLAGS),
      label(read),
      stx('w', R7, HEAD.flags, R1),
    );
  }

  const source = argumentOf(event, 'path', 'source');
  const target = argumentOf(event, 'target');
  const first = source >= 0 ? source : target;
  const second = source >= 0 ? target : -1;
  const folder = (index: number, offset: number): void => {
    const dirfd = event.arguments[index - 1];
    if (dirfd?.kind === 'dirfd') out.emit(...copy(index - 1, offset, 'w'));
    else out.emit(st('w', R7, offset, AT_FDCWD));
  };
  if (event.type === 'chdir') needs |= NEED.cwd;
  if (first >= 0) {
    needs |= NEED.path;
    out.emit(...copy(first, extra + EXTRA.path, 'dw'));
    folder(first, extra + EXTRA.dirfd);
  }
  if (second >= 0) {
    needs |= NEED.path2;
    out.emit(...copy(second, extra + EXTRA.path2, 'dw'));
    folder(second, extra + EXTRA.dirfd2);
  }
  const address = argumentOf(event, 'sockaddr');
  if (address >= 0) {
    needs |= event.type === 'bind' ? NEED.localAddress : NEED.remoteAddress;
    if (event.type === 'sendto') needs |= NEED.sentTo;
    out.emit(...copy(address, extra + EXTRA.address, 'dw'), ...copy(address + 1, extra + EXTRA.addressLength, 'dw'));
  }
  out.emit(st('w', R7, extra + EXTRA.needs, needs), ja(`class.${recipe.ruleClass}`));
};

/** Evaluates what is cheap, and goes on only where some rule may still match. */
const emitCandidates = (context: HookContext, number: number, { rules }: RuleClass): void => {
  const { out, hook } = context;
  out.emit(label(`class.${number}`));
  const used = new Set<number>();
  for (const rule of rules) {
    literalsOf(rule.possible, used);
    if (rule.certain !== undefined) literalsOf(rule.certain, used);
  }
  const early = [...used].filter((index) => !isLate(hook.predicates[index]!.kernel));
  emitOwnProcess(context, early);
  for (const index of early) emitPredicate(context, index);
  out.emit(comment('can any rule still match?'));
  for (const rule of rules) {
    const formula = assume(rule.possible, 'possible', (index) =>
      isLate(hook.predicates[index]!.kernel) ? Truth.UNKNOWN : undefined,
    );
    if (formula.kind === 'constant' && formula.value) {
      out.emit(ja('late'));
      return;
    }
    emitFormula(context, formula, 'possible', 'late');
  }
  out.emit(ja('exit'));
};

/** Gathers files, paths and addresses as the recipe asks, and evaluates what depends on them. */
const emitLate = (context: HookContext): void => {
  const { out, layout, extra } = context;
  const need = (bit: number, otherwise: string) => [
    ldx('w', R1, R7, extra + EXTRA.needs),
    and(R1, bit),
    jeq(R1, 0, otherwise),
  ];
  const { file = 0, path = 0, path2 = 0 } = layout.strings;
  out.emit(
    label('late'),
    st('dw', R10, STACK.socket, 0),
    ...need(NEED.file, 'file.done'),
    ldx('w', R9, R7, HEAD.fd),
    lsh(R9, 32),
    arsh(R9, 32),
    jsge(R9, 0, 'file.open'),
    st('b', R7, file + STRING.state, STRING_STATE.absent),
    ...need(NEED.open, 'file.done'),
    comment('a failed open has the path as passed'),
    st('b', R7, HEAD.typechar, 'f'.charCodeAt(0)),
    ldx('dw', R3, R7, extra + EXTRA.path),
  );
  emitPassedPath(out, R3, file);
  out.emit(ja('file.done'), label('file.open'), st('b', R7, file + STRING.state, STRING_STATE.unknown));
  emitFileOfFd(out);
  emitFileFacts(out);
  const socketName = context.hook.predicates.some(({ kernel }) => mayNameSocket(kernel)) ? 'file.done' : 'file.socket';
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
  out.emit(label('file.done'));
  for (const [bit, slot, from] of [
    [NEED.path, path, EXTRA.path],
    [NEED.path2, path2, EXTRA.path2],
  ] as const) {
    const done = out.fresh('path.done');
    out.emit(...need(bit, done), ldx('dw', R3, R7, extra + from));
    emitPassedPath(out, R3, slot);
    out.emit(label(done));
  }
  out.emit(
    ...need(NEED.cwd, 'cwd.done'),
    ldx('dw', R1, R7, HEAD.result),
    jslt(R1, 0, 'cwd.done'),
    comment('the folder that chdir started from is gone; the one it came to is what it named'),
    st('h', R7, path + STRING.length, 0),
    st('b', R7, path + STRING.state, STRING_STATE.relative),
    label('cwd.done'),
  );
  emitBase(context, ['path', 'file'], 'base', EXTRA.dirfd);
  emitBase(context, ['path2'], 'base2', EXTRA.dirfd2);
  for (const [bit, end] of [
    [NEED.remoteAddress, 'remote'],
    [NEED.localAddress, 'local'],
  ] as const) {
    const done = out.fresh('address.done');
    out.emit(...need(bit, done));
    if (end === 'remote') emitKeepRemote(context, done);
    emitReadAddress(context, done);
    emitSockaddrEnd(context, end);
    out.emit(label(done));
  }
  out.emit(...currentTask);
  emitLatePredicates(context);
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
 * goes to the address it names.
 */
const emitKeepRemote = (context: HookContext, done: string): void => {
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
    ldx('dw', R1, R7, HEAD.result),
    jsge(R1, 0, done),
    jeq(R1, -EINPROGRESS, done),
    label(passed),
  );
};

/** Reads the sockaddr that the call passed, at most 28 bytes; jumps to `done` where there is none. */
const emitReadAddress = (context: HookContext, done: string): void => {
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
    helper('bpf_probe_read_user'),
    jne(R0, 0, done),
  );
};

const clearAddress = (base: Register, at: number) => [0, 8, 16, 24].map((offset) => st('dw', base, at + offset, 0));
