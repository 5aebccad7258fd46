import {
  add,
  and,
  comment,
  exit,
  ja,
  jeq,
  jge,
  jlt,
  jne,
  jsge,
  jsgt,
  jslt,
  label,
  lddw,
  ldx,
  ldxField,
  loadMap,
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
  st,
  stx,
  sub,
} from '../../engine/isa/index.ts';
import {
  type Abi,
  AT_FDCWD,
  callNumber,
  callNumbers,
  type EventType,
  FIRST_X32_CALL,
  OPEN_FLAGS,
  SOCKETCALL,
  X32_BIT,
  X32_CALL_COUNT,
} from '../language/index.ts';
import { type EventPlan, EXEC_EVENTS, OPEN_EVENTS } from '../plan/index.ts';
import { NEED } from './call-objects.ts';
import { EXTRA, type HookContext } from './context.ts';
import { argumentOf, emitRules, MAX_RECIPE, RECIPE_MASK, recipeOf } from './detection.ts';
import { emitSwitch, helper, STACK, stackAddress } from './emitter.ts';
import { currentTask, emitClear, emitHead, emitScratch } from './gather.ts';
import { HEAD, IA32_BIT, TASK_DETAILS, UNKNOWN_FLAGS } from './layout.ts';
import type { Matching } from './matching.ts';
import { emitNamed } from './named-calls.ts';
import { emitScope } from './scope.ts';
import { emitSentinel } from './sentinel.ts';
import { emitSocketcallArguments, emitSocketcallRecipe, SOCKETCALL_RECIPE } from './socketcall.ts';

/** System call numbers of one table that are told apart; both ABIs' tables end below it. */
export const CALL_NUMBERS = 512;
const TS_COMPAT = 2;
/** include/uapi/linux/sched.h */
const CLONE_NEWUSER = 0x1000_0000;
/** -ERESTARTSYS to -ERESTART_RESTARTBLOCK: the call was interrupted and has no result (include/linux/errno.h). */
const RESTART = { first: -516, last: -512 } as const;

/** How the arguments of some event types are laid out. */
interface Recipe {
  readonly number: number;
  readonly events: EventType[];
}

/** What decides the code that reads an event's arguments. */
const shapeOf = (event: EventType): string =>
  JSON.stringify([
    event.fd,
    event.arguments.map((argument) => argument.kind),
    OPEN_EVENTS.includes(event.type),
    ['creat', 'openat2', 'bind', 'sendto', 'chdir', 'unshare'].includes(event.type) || EXEC_EVENTS.includes(event.type)
      ? event.type
      : '',
  ]);

const recipesOf = (events: readonly EventPlan[]): readonly Recipe[] => {
  const recipes = new Map<string, Recipe>();
  for (const { event } of events) {
    const shape = shapeOf(event);
    const known = recipes.get(shape);
    if (known === undefined) recipes.set(shape, { number: recipes.size + 1, events: [event] });
    else known.events.push(event);
  }
  if (recipes.size > MAX_RECIPE) throw new Error(`${recipes.size} ways to lay out arguments don't fit the calls map`);
  return [...recipes.values()];
};

/** Where the `calls` map has a call: the table of x86-64, that of ia32, and what the x32 table has beyond the former's numbers. */
const callPlaces = (event: EventType): readonly number[] => {
  const own = (callNumber(event, 'x32') ?? 0) - X32_BIT;
  return [
    ...callNumbers(event, 'x86-64'),
    ...callNumbers(event, 'ia32').map((number) =>
      number < SOCKETCALL.first ? CALL_NUMBERS + number : SOCKETCALL_PLACES + number - SOCKETCALL.first,
    ),
    ...(own >= FIRST_X32_CALL ? [CALL_NUMBERS + own] : []),
  ];
};

/** Where the `calls` map has what goes through socketcall. */
const SOCKETCALL_PLACES = 2 * CALL_NUMBERS + X32_CALL_COUNT;
/** The map of what each call's arguments are, 0 where no rule names it. */
export const CALLS_MAP = 'calls';

/** Where the `calls` map has a call, by its number in a table; -1 for one that it has no place for, which no program looks at. */
export const callPlace = (nr: number, abi: Abi): number => {
  const number = (nr & ~X32_BIT) >>> 0;
  if (nr < 0 || (number !== nr && abi !== 'x32')) return -1;
  if (number < CALL_NUMBERS) return abi === 'ia32' ? CALL_NUMBERS + number : number;
  return abi === 'x32' && number < CALL_NUMBERS + X32_CALL_COUNT ? CALL_NUMBERS + number : -1;
};

/** Entries of the `calls` map. */
export const CALL_PLACES = SOCKETCALL_PLACES + SOCKETCALL.count;

/** The numbers that some rule names in any table, those of x32 calls without the table's mark. */
export const namedNumbers = (events: readonly EventPlan[]): readonly number[] =>
  events
    .flatMap(({ event }) => callPlaces(event))
    .filter((place) => place < SOCKETCALL_PLACES)
    .map((place) => (place < CALL_NUMBERS ? place : place - CALL_NUMBERS))
    .concat(events.some(({ event }) => callPlaces(event).some(isSocketcall)) ? [SOCKETCALL.number] : []);

const isSocketcall = (place: number): boolean => place >= SOCKETCALL_PLACES;

/** The contents of the `calls` map: the recipe of each call with the class of its rules, 0 where no rule looks. */
export const callTable = (events: readonly EventPlan[], { classOf }: Matching): ReadonlyMap<number, number> => {
  const table = new Map<number, number>();
  for (const { events: its, number } of recipesOf(events))
    for (const event of its)
      for (const place of callPlaces(event)) table.set(place, recipeOf(number, classOf(event.type).at));
  if ([...table.keys()].some(isSocketcall)) table.set(CALL_NUMBERS + SOCKETCALL.number, SOCKETCALL_RECIPE);
  return table;
};

/** The detection program: every call that some rule names, with its arguments and its result. */
export const emitSysExit = (context: HookContext): void => {
  const { out, hook } = context;
  const recipes = recipesOf(hook.events);
  emitNamed(out, CALL_NUMBERS + X32_CALL_COUNT, 'leave');
  out.emit(comment('which call'), mov(R6, R1), ...currentTask);
  emitDispatch(context);
  out.emit(comment('how its arguments are laid out'), and(R9, RECIPE_MASK));
  emitSwitch(
    out,
    R9,
    recipes.map(({ number }) => [number, `recipe.${number}`] as const),
  );
  out.emit(label('exit'), mov(R0, 0), exit());
  const needs = recipes.reduce((all, recipe) => all | emitRecipe(context, recipe), 0);
  emitRules(context, needs, 'call');
};

/** r9 = the recipe of the call, r7 = the record with its head and arguments; leaves the program for calls that no rule names. */
const emitDispatch = (context: HookContext): void => {
  const { out } = context;
  out.emit(
    jge(R9, CALL_NUMBERS, 'far'),
    ldxField('w', R1, R8, 'task_struct.thread_info.status'),
    and(R1, TS_COMPAT),
    jeq(R1, 0, 'native'),
    add(R9, CALL_NUMBERS),
    label('native'),
    stx('w', R10, STACK.index, R9),
    loadMap(R1, CALLS_MAP),
    ...stackAddress(R2, STACK.index),
    helper('bpf_map_lookup_elem'),
    jeq(R0, 0, 'leave'),
    ldx('w', R9, R0, 0),
    jeq(R9, 0, 'leave'),
  );
  emitScope(out, 'leave');
  emitSentinel(context);
  emitSocketcallRecipe(out, SOCKETCALL_PLACES, 'leave');
  out.emit(
    comment('interrupted calls have no result'),
    ldx('dw', R1, R6, 8),
    jsgt(R1, RESTART.last, 'finished'),
    jslt(R1, RESTART.first, 'finished'),
    label('leave'),
    mov(R0, 0),
    exit(),
    comment('calls of the x32 table: its own numbers follow those that it shares, as the ia32 table does'),
    label('far'),
    ldxField('w', R1, R8, 'task_struct.thread_info.status'),
    and(R1, TS_COMPAT),
    jne(R1, 0, 'leave'),
    sub(R9, X32_BIT),
    jlt(R9, CALL_NUMBERS, 'native'),
    jge(R9, CALL_NUMBERS + X32_CALL_COUNT, 'leave'),
    add(R9, CALL_NUMBERS),
    ja('native'),
    label('finished'),
  );
  emitScratch(out);
  emitClear(context);
  out.emit(stx('w', R7, context.extra + EXTRA.recipe, R9));
  emitHead(context, 'event');
  out.emit(
    ldx('w', R9, R7, context.extra + EXTRA.recipe),
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
  emitSocketcallArguments(out, 'arguments');
  out.emit(label('arguments'));
};

/** Puts an event's arguments where the common code looks for them; returns what the event's rules need of it. */
const emitRecipe = (context: HookContext, recipe: Recipe): number => {
  const { out, extra } = context;
  const event = recipe.events[0]!;
  const at = (index: number): number => HEAD.arguments + 8 * index;
  const copy = (index: number, offset: number, size: 'w' | 'dw') => [
    ldx(size, R1, R7, at(index)),
    stx(size, R7, offset, R1),
  ];
  let needs = 0;
  out.emit(comment(recipe.events.map((each) => each.type).join(', ')), label(`recipe.${recipe.number}`));
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

  if (event.type === 'unshare' && context.details.has('capabilities')) {
    const kept = `kept.${recipe.number}`;
    out.emit(
      comment('whoever made a user namespace has every capability in it by now; which it had before is not known'),
      ldx('dw', R1, R7, HEAD.result),
      jne(R1, 0, kept),
      ldx('w', R1, R7, at(0)),
      and(R1, CLONE_NEWUSER),
      jeq(R1, 0, kept),
      ldx('w', R1, R7, HEAD.details),
      and(R1, ~TASK_DETAILS.capabilities),
      stx('w', R7, HEAD.details, R1),
      label(kept),
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
  const text = argumentOf(event, 'text');
  if (text >= 0) {
    needs |= NEED.text;
    out.emit(...copy(text, extra + EXTRA.text, 'dw'));
  }
  const address = argumentOf(event, 'sockaddr');
  if (address >= 0) {
    needs |= event.type === 'bind' ? NEED.localAddress : NEED.remoteAddress;
    if (event.type === 'sendto') needs |= NEED.sentTo;
    out.emit(...copy(address, extra + EXTRA.address, 'dw'), ...copy(address + 1, extra + EXTRA.addressLength, 'dw'));
  }
  out.emit(st('w', R7, extra + EXTRA.needs, needs), ja('rules'));
  return needs;
};
