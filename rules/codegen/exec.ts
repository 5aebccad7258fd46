import {
  add,
  comment,
  exit,
  ja,
  jeq,
  jgt,
  jlt,
  jne,
  label,
  ldx,
  ldxField,
  loadMap,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R6,
  R7,
  R8,
  R9,
  R10,
  st,
  stx,
  sub,
} from '../../engine/isa/index.ts';
import type { BooleanFact, ProcessFact } from '../plan/index.ts';
import { emitEarlyCells, emitLateCells } from './cells.ts';
import { EXTRA, type HookContext, PROCESS_FACTS, type ProcessGroup } from './context.ts';
import { emitDecisions } from './decide.ts';
import { helper, STACK, stackAddress } from './emitter.ts';
import { emitGuards } from './enforce.ts';
import { EXE, emitExeFacts } from './exe-facts.ts';
import { emitClass } from './filter.ts';
import { COMM_BYTES, emitClear, emitFileFacts, emitHead, emitScratch, storeKey } from './gather.ts';
import { ARGV_BYTES, ENV_BYTES, HEAD, LAYER, PATH_BYTES, STRING, STRING_STATE } from './layout.ts';
import { emitOutput } from './output.ts';
import { emitFolderSlash, emitPathOf, emitPathWalk } from './path.ts';
import { type PlacedAutomaton, ROW, rowOfText } from './rows.ts';
import { emitScope, emitSilent } from './scope.ts';
import { emitSentinel } from './sentinel.ts';
import { emitFill, emitRow, emitStart, emitSteps } from './strings.ts';
import { emitArguments, emitEnvironment } from './vectors.ts';

/**
 * The exec program: puts the new image's facts together, keeps the truths of every test of them with the process, and reports the
 * exec, with the rules that match it.
 */
export const emitExec = (context: HookContext): void => {
  const { out, layout, extra } = context;
  const { argv = 0, env } = layout.strings;
  out.emit(mov(R6, R1));
  emitScope(out, 'exit');
  emitSentinel(context);
  out.emit(ldx('dw', R8, R6, 0));
  emitScratch(out);
  emitClear(context);
  emitHead(context, 'exec');
  emitImage(context);
  out.emit(
    comment('the same on each way through the walks, so that a verifier follows the loops below once'),
    st('dw', R10, STACK.key, 0),
    st('dw', R10, STACK.key + 8, 0),
    st('dw', R10, STACK.root, 0),
  );
  out.emit(ldx('dw', R8, R6, 0));
  emitArguments(context, argv);
  if (env !== undefined) emitEnvironment(context, env);
  emitCommLength(context);
  for (const fact of PROCESS_FACTS) emitProcessFact(context, fact);
  emitIsProtected(context);
  out.emit(
    comment('keep the facts with the process; exec has made its file descriptors its own'),
    st('b', R7, extra + EXTRA.process + context.processes.shared, 0),
    ldx('w', R1, R7, HEAD.tgid),
    ldx('dw', R2, R7, HEAD.start),
    ...storeKey,
    loadMap(R1, 'processes'),
    ...stackAddress(R2, STACK.key),
    mov(R3, R7),
    add(R3, extra + EXTRA.process),
    mov(R4, 0),
    helper('bpf_map_update_elem'),
  );
  emitSilent(out, 'exit');
  const [ruleClass] = context.matching.classes;
  if (ruleClass !== undefined) {
    out.emit(mov(R9, ruleClass.at));
    emitClass(context, 'report');
    emitEarlyCells(context, 'report', 'scratch');
    out.emit(ldx('dw', R8, R6, 0));
    emitLateCells(context, 'report');
    emitDecisions(context, 'report');
    emitGuards(context);
  }
  out.emit(label('report'));
  emitOutput(context, 'exec');
  out.emit(label('exit'), mov(R0, 0), exit());
};

/** Keeps with the process whether its new executable is protected; no protected one has no rule that could act on it. */
const emitIsProtected = ({ out, plan, processes, extra }: HookContext): void => {
  if (plan.rules.every(({ action }) => action === 'alert')) return;
  const at = extra + EXTRA.process + processes.isProtected;
  const free = out.fresh('exec.free');
  out.emit(
    comment('whether the executable is protected'),
    st('b', R7, at, 0),
    ldx('dw', R1, R7, HEAD.ino),
    stx('dw', R10, STACK.key, R1),
    ldx('w', R1, R7, HEAD.dev),
    stx('dw', R10, STACK.key + 8, R1),
    loadMap(R1, 'protected'),
    ...stackAddress(R2, STACK.key),
    helper('bpf_map_lookup_elem'),
    jeq(R0, 0, free),
    st('b', R7, at, 1),
    label(free),
  );
};

/** The executable's path and facts, and the working directory. */
const emitImage = (context: HookContext): void => {
  const { out, layout, extra } = context;
  const { file = 0, base = 0 } = layout.strings;
  const none = out.fresh('image.none');
  out.emit(
    comment('the executable'),
    st('w', R7, HEAD.fd, -1),
    st('b', R7, file + STRING.state, STRING_STATE.unknown),
    st('b', R7, base + STRING.state, STRING_STATE.unknown),
    ldxField('dw', R1, R8, 'task_struct.mm'),
    jeq(R1, 0, none),
    ldxField('dw', R9, R1, 'mm_struct.exe_file'),
    stx('dw', R10, STACK.file, R9),
    jeq(R9, 0, none),
  );
  out.emit(st('dw', R10, STACK.inode, 0));
  emitFileFacts(out);
  emitExeFacts(out);
  out.emit(ldx('dw', R9, R10, STACK.file));
  emitPathOf(out, 'file.f_path');
  emitPathWalk(out, file, extra + EXTRA.walk);
  out.emit(
    comment('the working directory'),
    ldx('dw', R8, R6, 0),
    ldxField('dw', R9, R8, 'task_struct.fs'),
    jeq(R9, 0, none),
  );
  emitPathOf(out, 'fs_struct.pwd');
  emitPathWalk(out, base, extra + EXTRA.walk);
  emitFolderSlash(out, base);
  out.emit(label(none));
};

/** Bytes of comm before its NUL, into the scratch area. */
const emitCommLength = ({ out, extra }: HookContext): void => {
  const [loop, done] = [out.fresh('comm.loop'), out.fresh('comm.done')];
  out.emit(
    comment("the length of the task's name"),
    mov(R2, 0),
    label(loop),
    mov(R1, R7),
    add(R1, R2),
    ldx('b', R1, R1, HEAD.comm),
    jeq(R1, 0, done),
    add(R2, 1),
    jlt(R2, COMM_BYTES, loop),
    label(done),
    stx('w', R7, extra + EXTRA.commLength, R2),
  );
};

const FACT_NAMES: Readonly<Record<ProcessFact, string>> = {
  name: 'proc.name',
  exe: 'proc.exe',
  exepath: 'proc.exepath',
  args: 'proc.args',
  cmdline: 'proc.cmdline',
  env: 'proc.env',
  memfd: 'proc.is_exe_from_memfd',
  upper: 'proc.is_exe_upper_layer',
  lower: 'proc.is_exe_lower_layer',
};

/** Decides the tests of one fact into the process's value, where its automata's rows lie one after the other. */
const emitProcessFact = (context: HookContext, fact: ProcessFact): void => {
  const { out, layout, extra, loopCell } = context;
  const { file = 0, argv = 0, env = 0 } = layout.strings;
  const groups = context.processes.groups.filter((group) => group.fact === fact);
  const [first] = groups;
  if (first === undefined) return;
  out.emit(comment(`${FACT_NAMES[fact]}, as of exec: ${groups.flatMap((group) => group.texts).join('; ')}`));
  if (fact === 'memfd' || fact === 'upper' || fact === 'lower') {
    emitBoolean(context, fact, groups);
    return;
  }
  const cells = groups.map(({ at }) => extra + EXTRA.process + at);
  const [unknown, absent, end] = [out.fresh('fact.unknown'), out.fresh('fact.absent'), out.fresh('fact.end')];
  const needs = (slot: number) => [
    ldx('b', R1, R7, slot + STRING.state),
    jeq(R1, STRING_STATE.absent, absent),
    jne(R1, STRING_STATE.present, unknown),
  ];
  if (fact === 'exepath') out.emit(...needs(file));
  else if (fact === 'env') out.emit(ldx('b', R1, R7, env + STRING.state), jne(R1, STRING_STATE.present, unknown));
  else if (fact !== 'name') out.emit(...needs(argv));
  for (const [index, { placed }] of groups.entries()) {
    emitStart(out, loopCell);
    emitFactSteps(context, fact, placed, unknown);
    emitRow(out, placed, cells[index] ?? 0, unknown);
  }
  out.emit(ja(end), label(unknown));
  emitFill(out, cells, ROW.unknown);
  if (fact !== 'name' && fact !== 'env') {
    out.emit(ja(end), label(absent));
    emitFill(out, cells, ROW.absent);
  }
  out.emit(label(end));
};

/** Takes an automaton over the text of a fact that is there. */
const emitFactSteps = (
  { out, layout, extra, loopCell }: HookContext,
  fact: Exclude<ProcessFact, BooleanFact>,
  placed: PlacedAutomaton,
  unknown: string,
): void => {
  const { file = 0, argv = 0, env = 0 } = layout.strings;
  const steps = (data: number, limit: number) => emitSteps(out, placed, loopCell, data, limit, unknown);
  const name = (): void => {
    out.emit(ldx('w', R2, R7, extra + EXTRA.commLength), mov(R1, 0));
    steps(HEAD.comm, COMM_BYTES);
  };
  /** r1 = where the arguments begin, r2 = their end without the last NUL. */
  const argumentRange = (toName: boolean) => [
    ldx('h', R4, R7, argv + STRING.nameLength),
    jeq(R4, 0, unknown),
    ...(toName
      ? [mov(R2, R4), sub(R2, 1), mov(R1, 0)]
      : [mov(R1, R4), ldx('h', R2, R7, argv + STRING.length), sub(R2, 1)]),
    jgt(R2, ARGV_BYTES, unknown),
  ];
  switch (fact) {
    case 'name':
      name();
      break;
    case 'exepath':
      out.emit(ldx('h', R2, R7, file + STRING.length), mov(R1, 0));
      steps(file + STRING.data, PATH_BYTES);
      break;
    case 'exe':
    case 'args':
      out.emit(...argumentRange(fact === 'exe'));
      steps(argv + STRING.data, ARGV_BYTES);
      break;
    case 'env': {
      const empty = out.fresh('env.empty');
      out.emit(ldx('h', R2, R7, env + STRING.length), jeq(R2, 0, empty), sub(R2, 1), mov(R1, 0));
      steps(env + STRING.data, ENV_BYTES);
      out.emit(label(empty));
      break;
    }
    case 'cmdline': {
      const noArguments = out.fresh('cmdline.none');
      name();
      out.emit(...argumentRange(false), jgt(R1, R2, noArguments));
      out.emit(
        comment("a blank after the name: the arguments' first step starts one byte early, at argv[0]'s NUL"),
        sub(R1, 1),
      );
      steps(argv + STRING.data, ARGV_BYTES);
      out.emit(label(noArguments));
      break;
    }
  }
};

/** The only tests there are say `= true` or `= false`; the automaton's rows for "1" and "" have their truths. */
const emitBoolean = ({ out, extra }: HookContext, fact: BooleanFact, groups: readonly ProcessGroup[]): void => {
  const [yes, end] = [out.fresh(fact), out.fresh(`${fact}.end`)];
  const rows = (text: string) =>
    groups.map(({ placed, at }) =>
      st('h', R7, extra + EXTRA.process + at, rowOfText(placed, new TextEncoder().encode(text))),
    );
  if (fact === 'memfd') out.emit(ldx('b', R1, R7, HEAD.typechar), jeq(R1, 'm'.charCodeAt(0), yes));
  else {
    const known = out.fresh(`${fact}.known`);
    out.emit(ldx('b', R1, R7, EXE.layer), jne(R1, LAYER.unknown, known));
    emitFill(
      out,
      groups.map(({ at }) => extra + EXTRA.process + at),
      ROW.unknown,
    );
    out.emit(ja(end), label(known), jeq(R1, LAYER[fact], yes));
  }
  out.emit(...rows(''), ja(end), label(yes), ...rows('1'), label(end));
};
