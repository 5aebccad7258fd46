import {
  add,
  addField,
  comment,
  jeq,
  jlt,
  jne,
  label,
  ldx,
  ldxField,
  loadMapValue,
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
  st,
  stx,
} from '../../engine/isa/index.ts';
import { CONFIG } from './config.ts';
import { type Emitter, helper, probeFieldAt, STACK, stackAddress } from './emitter.ts';

/**
 * Goes on only where the current task is in the scope's cgroup or below it, else jumps to `outside`: before anything of the task is
 * read. While the configuration has no scope nothing is in it. Uses r7.
 */
export const emitScope = (out: Emitter, outside: string): void => {
  out.emit(
    comment('only tasks in the scope'),
    loadMapValue(R7, 'config', 0),
    ldx('w', R1, R7, CONFIG.level),
    helper('bpf_get_current_ancestor_cgroup_id'),
    ldx('dw', R1, R7, CONFIG.scope),
    jeq(R1, 0, outside),
    jne(R0, R1, outside),
  );
};

/** Jumps to `silent` where the object's records are not wanted, though the facts that it keeps are. Uses r1. */
export const emitSilent = (out: Emitter, silent: string): void => {
  out.emit(
    comment('nothing is handed over while another object does'),
    loadMapValue(R1, 'config', 0),
    ldx('b', R1, R1, CONFIG.silent),
    jne(R1, 0, silent),
  );
};

/**
 * Goes on only where the task in r9 is in the scope, else jumps to `outside`. The task in r8 is in it. Where the scope is the whole
 * host nothing is read. r6 to r9 stay; the stack's slots of a path's components are used.
 */
export const emitOtherInScope = (out: Emitter, outside: string): void => {
  const inside = out.fresh('scope.inside');
  out.emit(
    loadMapValue(R3, 'config', 0),
    ldx('w', R2, R3, CONFIG.level),
    jeq(R2, 0, inside),
    ldxField('dw', R1, R9, 'task_struct.cgroups'),
    ldxField('dw', R4, R8, 'task_struct.cgroups'),
    jeq(R1, R4, inside),
    jeq(R1, 0, outside),
    stx('dw', R10, STACK.parent, R1),
    ...probeFieldAt(STACK.root, 8, STACK.parent, 'css_set.dfl_cgrp'),
    st('dw', R10, STACK.length, 0),
    ...probeFieldAt(STACK.length, 4, STACK.root, 'cgroup.level'),
    loadMapValue(R4, 'config', 0),
    ldx('w', R3, R4, CONFIG.level),
    ldx('w', R1, R10, STACK.length),
    jlt(R1, R3, outside),
    lsh(R3, 3),
    ldx('dw', R1, R10, STACK.root),
    add(R3, R1),
    addField(R3, 'cgroup.ancestors'),
    ...stackAddress(R1, STACK.parent),
    mov(R2, 8),
    helper('bpf_probe_read_kernel'),
    ...probeFieldAt(STACK.root, 8, STACK.parent, 'cgroup.kn'),
    ...probeFieldAt(STACK.length, 8, STACK.root, 'kernfs_node.id'),
    loadMapValue(R4, 'config', 0),
    ldx('dw', R3, R4, CONFIG.scope),
    ldx('dw', R1, R10, STACK.length),
    jne(R1, R3, outside),
    label(inside),
  );
};
