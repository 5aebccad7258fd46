import { and, comment, exit, jeq, jne, label, ldx, mov, R0, R1, R7 } from '../../engine/isa/index.ts';
import { CONFIG } from './config.ts';
import type { HookContext } from './context.ts';
import { helper } from './emitter.ts';
import { canDeny, returnsOf, SIGKILL } from './enforce.ts';

/** Whether a rule of the hook denies or kills. */
export const acts = ({ hook }: HookContext): boolean =>
  hook.events.some(({ rules }) => rules.some(({ certain }) => certain !== undefined));

/**
 * What the program does to the process that the agent started to see whether it can: it denies each of its calls, or kills it, without asking a
 * rule. Stands behind the scope, whose test leaves r7 = the configuration. r0 to r5 are used.
 */
export const emitSentinel = (context: HookContext): void => {
  const { out, layout } = context;
  if (!acts(context)) return;
  const none = out.fresh('sentinel.none');
  out.emit(
    comment('the process that the agent tries itself on'),
    ldx('dw', R1, R7, CONFIG.sentinel),
    jeq(R1, 0, none),
    ldx('w', R1, R7, CONFIG.tried),
    and(R1, 1 << layout.index),
    jeq(R1, 0, none),
    helper('bpf_get_current_cgroup_id'),
    ldx('dw', R1, R7, CONFIG.sentinel),
    jne(R0, R1, none),
  );
  if (canDeny(layout.hook)) out.emit(mov(R0, returnsOf(layout.hook).deny), exit());
  else out.emit(mov(R1, SIGKILL), helper('bpf_send_signal'), mov(R0, 0), exit());
  out.emit(label(none));
};
