import {
  add,
  and,
  comment,
  ja,
  jeq,
  jne,
  label,
  lddw,
  ldx,
  mov,
  movField,
  mul,
  R0,
  R1,
  R2,
  R3,
  R7,
  R10,
  st,
  stx,
} from '../../engine/isa/index.ts';
import { type Emitter, helper, probeFieldAt, STACK, stackAddress } from './emitter.ts';
import { HEAD, LAYER } from './layout.ts';

/** OVERLAYFS_SUPER_MAGIC (include/uapi/linux/magic.h). */
const OVERLAY_MAGIC = 0x794c_7630;
const NS_PER_SECOND = 1_000_000_000;
/** Bits of nanoseconds; one above them says that somebody asked for the time (I_CTIME_QUERIED of include/linux/fs.h). */
const NS_BITS = 0x3fff_ffff;

/** Where an exec's record has what is known of the executable's inode. */
export const EXE = {
  changed: HEAD.arguments,
  modified: HEAD.arguments + 8,
  layer: HEAD.arguments + 16,
} as const;

/**
 * Reads into r7's value, of the executable whose inode's address is in STACK.inode, when it was changed and modified, and its layer: struct ovl_inode
 * (fs/overlayfs/ovl_entry.h) is in no BTF but its module's, and has the upper dentry right behind the inode.
 */
export const emitExeFacts = (out: Emitter, into: Readonly<Record<keyof typeof EXE, number>> = EXE): void => {
  emitTime(out, into.changed, 'ctime');
  emitTime(out, into.modified, 'mtime');
  emitLayer(out, into.layer);
};

/** The layer goes to `at` of r7's value, as a byte. */
const emitLayer = (out: Emitter, at: number): void => {
  const [unknown, lower, end] = [out.fresh('layer.unknown'), out.fresh('layer.lower'), out.fresh('layer.end')];
  out.emit(
    comment('which layer of an overlay it lies in; a file system that nobody knows has no magic number'),
    st('b', R7, at, LAYER.unknown),
    ...probeFieldAt(STACK.scratch, 8, STACK.inode, 'inode.i_sb'),
    jne(R0, 0, unknown),
    ...probeFieldAt(STACK.length, 8, STACK.scratch, 'super_block.s_magic'),
    jne(R0, 0, unknown),
    ldx('dw', R1, R10, STACK.length),
    jeq(R1, 0, unknown),
    st('b', R7, at, LAYER.none),
    jne(R1, OVERLAY_MAGIC, end),
    st('b', R7, at, LAYER.unknown),
    ldx('dw', R3, R10, STACK.inode),
    movField(R1, 'socket_alloc.vfs_inode', 'size'),
    add(R3, R1),
    ...stackAddress(R1, STACK.scratch),
    mov(R2, 8),
    helper('bpf_probe_read_kernel'),
    jne(R0, 0, unknown),
    ldx('dw', R1, R10, STACK.scratch),
    jeq(R1, 0, lower),
    st('b', R7, at, LAYER.upper),
    ja(end),
    label(lower),
    st('b', R7, at, LAYER.lower),
    label(unknown),
    label(end),
  );
};

/** A time of an inode in nanoseconds since 1970: in two members from Linux 6.11 on, before that in one. */
const emitTime = (out: Emitter, at: number, which: 'ctime' | 'mtime'): void => {
  const [whole, read, none] = [out.fresh('time.whole'), out.fresh('time.read'), out.fresh('time.none')];
  const old = which === 'ctime' ? ['inode.__i_ctime', 'inode.i_ctime'] : ['inode.__i_mtime', 'inode.i_mtime'];
  const from = (size: number, into: number, access: string) => [
    ldx('dw', R3, R10, STACK.inode),
    movField(R1, access, 'offset_or_0'),
    add(R3, R1),
    ...stackAddress(R1, into),
    mov(R2, size),
    helper('bpf_probe_read_kernel'),
    jne(R0, 0, none),
  ];
  out.emit(
    comment(`its ${which}`),
    st('dw', R10, STACK.scratch, 0),
    st('dw', R10, STACK.length, 0),
    movField(R1, `inode.i_${which}_sec`, 'exists'),
    jeq(R1, 0, whole),
    ...from(8, STACK.scratch, `inode.i_${which}_sec`),
    ...from(4, STACK.length, `inode.i_${which}_nsec`),
    ja(read),
    label(whole),
  );
  for (const access of old) {
    const next = out.fresh('time.next');
    out.emit(movField(R1, access, 'exists'), jeq(R1, 0, next), ...from(8, STACK.scratch, access));
    out.emit(...from(8, STACK.length, `${access}.tv_nsec`), ja(read), label(next));
  }
  out.emit(
    ja(none),
    label(read),
    ldx('dw', R1, R10, STACK.scratch),
    lddw(R2, BigInt(NS_PER_SECOND)),
    mul(R1, R2),
    ldx('dw', R2, R10, STACK.length),
    and(R2, NS_BITS),
    add(R1, R2),
    stx('dw', R7, at, R1),
    label(none),
  );
};
