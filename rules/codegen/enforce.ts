import {
  and,
  comment,
  exit,
  type Item,
  ja,
  jeq,
  jge,
  jne,
  label,
  ldx,
  ldxField,
  loadMap,
  loadMapValue,
  mov,
  R0,
  R1,
  R2,
  R7,
  R8,
  R10,
  st,
  stx,
} from '../../engine/isa/index.ts';
import type { HookName } from '../../engine/object/index.ts';
import { emitBudget } from './budget.ts';
import { CONFIG, SWITCH } from './config.ts';
import type { HookContext } from './context.ts';
import { helper, STACK, stackAddress } from './emitter.ts';
import { lookupProcess, storeKey } from './gather.ts';
import { GUARDS, type Guard, HEAD, SPARED } from './layout.ts';

/** Value of `HEAD.verdict`. */
export const VERDICTS = { alert: 0, deny: 1, kill: 2 } as const;

const PF_KTHREAD = 0x0020_0000;
export const SIGKILL = 9;
const EPERM = 1;

/** Processes that the agent spares at most: its own, and the first of each container. */
export const MAX_SPARED = 4096;

/** Whether a hook's program can refuse the call. */
export const canDeny = (hook: HookName): boolean => hook.startsWith('lsm/') || hook.startsWith('cgroup/');

/** Programs for cgroups may send no signal. */
const canKill = (hook: HookName): boolean => !hook.startsWith('cgroup/');

/** A guard's code: goes on where it does not hold, else jumps to `end`, with its number in the record. */
type GuardCode = (context: HookContext, end: string) => readonly Item[];

const isSpared = (out: HookContext['out'], bit: number, end: string): readonly Item[] => {
  const free = out.fresh('guard.free');
  return [
    ldx('w', R1, R7, HEAD.tgid),
    ldx('dw', R2, R7, HEAD.start),
    ...storeKey,
    loadMap(R1, 'spared'),
    ...stackAddress(R2, STACK.key),
    helper('bpf_map_lookup_elem'),
    jeq(R0, 0, free),
    ldx('w', R1, R0, 0),
    and(R1, bit),
    jne(R1, 0, end),
    label(free),
  ];
};

/** Jumps to `end` where the file in STACK.key is protected. */
const isProtected = (out: HookContext['out'], end: string): readonly Item[] => {
  const free = out.fresh('guard.free');
  return [
    loadMap(R1, 'protected'),
    ...stackAddress(R2, STACK.key),
    helper('bpf_map_lookup_elem'),
    jeq(R0, 0, free),
    ja(end),
    label(free),
  ];
};

/** STACK.key = inode and device of the program that the task in r8 runs; jumps to `none` where it has none. */
const ownExecutable = (none: string): readonly Item[] => [
  ldxField('dw', R1, R8, 'task_struct.mm'),
  jeq(R1, 0, none),
  ldxField('dw', R1, R1, 'mm_struct.exe_file'),
  jeq(R1, 0, none),
  ldxField('dw', R1, R1, 'file.f_inode'),
  jeq(R1, 0, none),
  ldxField('dw', R2, R1, 'inode.i_ino'),
  stx('dw', R10, STACK.key, R2),
  ldxField('dw', R1, R1, 'inode.i_sb'),
  jeq(R1, 0, none),
  ldxField('w', R2, R1, 'super_block.s_dev'),
  stx('dw', R10, STACK.key + 8, R2),
];

/** What stands before every action, in this order: r8 is the current task. */
const BEFORE_ALL: readonly (readonly [Guard, GuardCode])[] = [
  [
    'monitor',
    ({ layout }, end) => [
      loadMapValue(R1, 'config', 0),
      ldx('w', R2, R1, CONFIG.enforce),
      jeq(R2, SWITCH.monitor, end),
      ldx('w', R2, R1, CONFIG.unproven),
      and(R2, 1 << layout.index),
      jne(R2, 0, end),
    ],
  ],
  [
    'switched off',
    (_, end) => [loadMapValue(R1, 'config', 0), ldx('w', R2, R1, CONFIG.enforce), jeq(R2, SWITCH.off, end)],
  ],
  [
    'expired',
    ({ out }, end) => {
      const free = out.fresh('guard.time');
      return [
        loadMapValue(R1, 'config', 0),
        ldx('dw', R2, R1, CONFIG.expires),
        jeq(R2, 0, free),
        ldx('dw', R0, R7, HEAD.time),
        jge(R0, R2, end),
        label(free),
      ];
    },
  ],
  [
    'agent',
    ({ out }, end) => [
      loadMapValue(R1, 'config', 0),
      ldx('w', R2, R1, CONFIG.agent),
      ldx('w', R0, R7, HEAD.tgid),
      jeq(R0, R2, end),
      ...isSpared(out, SPARED.agent, end),
    ],
  ],
  ['init', (_, end) => [ldx('w', R0, R7, HEAD.tgid), jeq(R0, 1, end)]],
  ['kernel thread', (_, end) => [ldxField('w', R1, R8, 'task_struct.flags'), and(R1, PF_KTHREAD), jne(R1, 0, end)]],
  [
    'protected executable',
    (context, end) => {
      const { out, layout, processes } = context;
      const [free, known] = [out.fresh('guard.other'), out.fresh('guard.known')];
      const newFile =
        layout.hook === 'lsm/bprm_check_security'
          ? [
              ldx('dw', R2, R7, HEAD.ino),
              stx('dw', R10, STACK.key, R2),
              ldx('w', R2, R7, HEAD.dev),
              stx('dw', R10, STACK.key + 8, R2),
              ...isProtected(out, end),
            ]
          : [];
      return [
        ...newFile,
        ...ownExecutable(free),
        loadMap(R1, 'protected'),
        ...stackAddress(R2, STACK.key),
        helper('bpf_map_lookup_elem'),
        jeq(R0, 0, free),
        comment(
          'prctl can change which executable a process claims to run (PR_SET_MM_EXE_FILE): its exec knows better',
        ),
        ...lookupProcess,
        jeq(R0, 0, known),
        ldx('b', R1, R0, processes.isProtected),
        jeq(R1, 0, free),
        label(known),
        ja(end),
        label(free),
      ];
    },
  ],
  ['executable unknown', (_, end) => ownExecutable(end)],
];

/** What also stands before a kill. */
const BEFORE_KILL: readonly (readonly [Guard, GuardCode])[] = [
  ['container init', ({ out }, end) => isSpared(out, SPARED.containerInit, end)],
  [
    'budget spent',
    (context, end) => {
      const start = context.out.items.length;
      emitBudget(context, end);
      return [...ownExecutable(end), ...context.out.items.splice(start)];
    },
  ],
  ['not sent', (_, end) => [mov(R1, SIGKILL), helper('bpf_send_signal'), jne(R0, 0, end)]],
];

/**
 * The guards that no policy can remove, in front of every action, and behind them the kill: HEAD.guard becomes 0 where the verdict was carried out,
 * else why not, and HEAD.denied 1 where the call is to be refused, which `emitAct` does. A killing rule at a hook that can refuse the call does
 * that too, also where only the kill is kept back. Leaves r8 = the current task.
 */
export const emitGuards = (context: HookContext): void => {
  const { out, layout, without } = context;
  const end = out.fresh('guards.end');
  const guard = (name: Guard) => st('b', R7, HEAD.guard, GUARDS[name]);
  const emit = (guards: readonly (readonly [Guard, GuardCode])[]): void => {
    for (const [name, code] of guards) if (!without.has(name)) out.emit(guard(name), ...code(context, end));
  };
  out.emit(
    comment('guards in front of every action'),
    ldx('b', R1, R7, HEAD.verdict),
    jeq(R1, 0, end),
    helper('bpf_get_current_task_btf'),
    mov(R8, R0),
  );
  emit(BEFORE_ALL);
  const done = out.fresh('guards.done');
  if (canDeny(layout.hook)) out.emit(st('b', R7, HEAD.denied, 1));
  if (canKill(layout.hook)) {
    out.emit(ldx('b', R1, R7, HEAD.verdict), jne(R1, VERDICTS.kill, done));
    emit(BEFORE_KILL);
  }
  out.emit(label(done), guard('done'), label(end));
};

/** What a hook's program returns to let the call go on, and to have it fail with EPERM. */
export const returnsOf = (hook: HookName) =>
  hook.startsWith('cgroup/') ? ({ allow: 1, deny: 0 } as const) : ({ allow: 0, deny: -EPERM } as const);

/** Leaves the program, and lets the call go on. */
export const emitAllow = ({ out, layout }: HookContext): void => {
  out.emit(mov(R0, returnsOf(layout.hook).allow), exit());
};

/** r0 = what the record says is to become of the call. */
export const emitAct = ({ out, layout }: HookContext): void => {
  const { allow, deny } = returnsOf(layout.hook);
  const done = out.fresh('act.done');
  out.emit(comment('act'), mov(R0, allow));
  if (canDeny(layout.hook)) out.emit(ldx('b', R1, R7, HEAD.denied), jeq(R1, 0, done), mov(R0, deny), label(done));
};
