import {
  and,
  comment,
  exit,
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
import { CONFIG } from './config.ts';
import type { HookContext } from './context.ts';
import { helper, STACK, stackAddress } from './emitter.ts';
import { GUARDS, HEAD } from './layout.ts';

/** Value of `HEAD.verdict`. */
export const VERDICTS = { alert: 0, deny: 1, kill: 2 } as const;

const PF_KTHREAD = 0x0020_0000;
const SIGKILL = 9;
const EPERM = 1;

/**
 * The guards that no policy can remove, in front of every action: HEAD.guard becomes 0 where the verdict is to be carried out, else
 * why not. Leaves r8 = the current task.
 */
export const emitGuards = (context: HookContext): void => {
  const { out } = context;
  const end = out.fresh('guards.end');
  const guard = (name: keyof typeof GUARDS) => st('b', R7, HEAD.guard, GUARDS[name]);
  /** Ends the guards where the file in STACK.key is protected, else goes on at `otherwise`. */
  const protectedFile = (otherwise: string) => [
    loadMap(R1, 'protected'),
    ...stackAddress(R2, STACK.key),
    helper('bpf_map_lookup_elem'),
    jeq(R0, 0, otherwise),
    guard('protected executable'),
    ja(end),
  ];
  const [notExpired, newFile, free] = [out.fresh('guard.time'), out.fresh('guard.new'), out.fresh('guard.free')];
  out.emit(
    comment('guards in front of every action'),
    ldx('b', R1, R7, HEAD.verdict),
    jeq(R1, 0, end),
    guard('monitor'),
    loadMapValue(R1, 'config', 0),
    ldx('w', R2, R1, CONFIG.enforce),
    jeq(R2, 0, end),
    ldx('dw', R2, R1, CONFIG.expires),
    jeq(R2, 0, notExpired),
    ldx('dw', R0, R7, HEAD.time),
    guard('expired'),
    jge(R0, R2, end),
    label(notExpired),
    guard('agent'),
    ldx('w', R2, R1, CONFIG.agent),
    ldx('w', R0, R7, HEAD.tgid),
    jeq(R0, R2, end),
    guard('init'),
    jeq(R0, 1, end),
    guard('kernel thread'),
    helper('bpf_get_current_task_btf'),
    mov(R8, R0),
    ldxField('w', R1, R8, 'task_struct.flags'),
    and(R1, PF_KTHREAD),
    jne(R1, 0, end),
    ldxField('dw', R1, R8, 'task_struct.mm'),
    jeq(R1, 0, end),
    ldxField('dw', R1, R1, 'mm_struct.exe_file'),
    jeq(R1, 0, free),
    ldxField('dw', R1, R1, 'file.f_inode'),
    ldxField('dw', R2, R1, 'inode.i_ino'),
    stx('dw', R10, STACK.key, R2),
    ldxField('dw', R1, R1, 'inode.i_sb'),
    ldxField('w', R2, R1, 'super_block.s_dev'),
    stx('dw', R10, STACK.key + 8, R2),
    ...protectedFile(newFile),
    label(newFile),
  );
  if (context.layout.hook === 'lsm/bprm_check_security') {
    out.emit(
      ldx('dw', R2, R7, HEAD.ino),
      stx('dw', R10, STACK.key, R2),
      ldx('w', R2, R7, HEAD.dev),
      stx('dw', R10, STACK.key + 8, R2),
      ...protectedFile(free),
    );
  }
  out.emit(label(free), guard('done'), label(end));
};

/** Carries out what the record says and leaves the program. A killing hook before the effect also denies the call. */
export const emitAct = (context: HookContext): void => {
  const { out, layout } = context;
  const [none, deny] = [out.fresh('act.none'), out.fresh('act.deny')];
  const denies = layout.hook.startsWith('lsm/');
  out.emit(
    comment('act'),
    ldx('b', R1, R7, HEAD.verdict),
    jeq(R1, 0, none),
    ldx('b', R2, R7, HEAD.guard),
    jne(R2, 0, none),
    jne(R1, VERDICTS.kill, denies ? deny : none),
    mov(R1, SIGKILL),
    helper('bpf_send_signal'),
  );
  if (denies) out.emit(label(deny), mov(R0, -EPERM), exit());
  out.emit(label(none), mov(R0, 0), exit());
};
