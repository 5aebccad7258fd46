import {
  add,
  addField,
  and,
  comment,
  ja,
  jeq,
  jge,
  jgt,
  jle,
  jlt,
  jne,
  label,
  ldx,
  lsh,
  mov,
  movField,
  R0,
  R1,
  R2,
  R3,
  R7,
  R8,
  R9,
  R10,
  st,
  stx,
  sub,
} from '../../engine/isa/index.ts';
import { type Emitter, helper, loopHead, loopStart, probeFieldAt, STACK, stackAddress } from './emitter.ts';
import { PATH_BYTES, STRING, STRING_STATE } from './layout.ts';

/** Directories and mounts a walk passes at most; a deeper path is unknown. */
const MAX_STEPS = 32;
/** What the stack holds of what was done before, and of a component: cleared, so that a verifier finds all ways there equal. */
const BEFORE = [STACK.inode, STACK.socket, STACK.file, STACK.scratch];
const COMPONENT = [STACK.parent, STACK.name, STACK.length];

/** The walk writes backwards from here, so that its buffer needs as much again behind it for the verifier's sake. */
const END = PATH_BYTES - 1;

/** What the walk went by: pairs of an address and the 8 bytes found there, of each step at most three. A power of two, for the verifier. */
const MAX_MARKS = 64;
const MARK_BYTES = 16;
/** Offsets into the walk's scratch: the text, what it went by, and how many marks that are. */
const SCRATCH = {
  text: 0,
  marks: 2 * PATH_BYTES,
  count: 2 * PATH_BYTES + MAX_MARKS * MARK_BYTES,
  cell: 2 * PATH_BYTES + MAX_MARKS * MARK_BYTES + 8,
} as const;
/** Bytes of scratch that a walk needs. */
export const WALK_BYTES = SCRATCH.cell + 8;

/** Reads 8 bytes at a member of the struct in a stack slot into another, and notes that the walk went by them; they are also in r1. */
const mark = (buffer: number, into: number, slot: number, access: string) => [
  ...probeFieldAt(into, 8, slot, access),
  ldx('w', R2, R7, buffer + SCRATCH.count),
  mov(R1, R2),
  add(R1, 1),
  stx('w', R7, buffer + SCRATCH.count, R1),
  and(R2, MAX_MARKS - 1),
  lsh(R2, 4),
  add(R2, R7),
  ldx('dw', R1, R10, slot),
  addField(R1, access),
  stx('dw', R2, buffer + SCRATCH.marks, R1),
  ldx('dw', R1, R10, into),
  stx('dw', R2, buffer + SCRATCH.marks + 8, R1),
];

/**
 * Resolves the path of (STACK.dentry, STACK.mount) into the string slot at `slot` of the record in r7, as d_path does
 * (fs/d_path.c), across mounts. `buffer` is WALK_BYTES of scratch from r7 on. Uses r8 and r9; r6 and r7 stay.
 *
 * A rename while it walks could give a path that never was, of names from before and after. d_path takes rename_lock's sequence, which
 * programs can't reach; but a rename also counts up the d_seq of each dentry that it moves (__d_move of fs/dcache.c). So the walk notes
 * each d_seq in front of the name and the parent that it guards, and looks at all of them once more when it is at the root: where none
 * has changed, the whole path was there at that moment. Where one has, or is odd as during a change, the path is unknown. The same is
 * done for mounts, which have no sequence, with the pointers themselves. A tree that is mounted nowhere any more has no path either.
 */
export const emitPathWalk = (out: Emitter, slot: number, buffer: number): void => {
  const [loop, notRoot, step, alone, root, done, check, same, give, unknown, absent, end] = [
    'loop',
    'notroot',
    'step',
    'alone',
    'root',
    'done',
    'check',
    'same',
    'give',
    'unknown',
    'absent',
    'end',
  ].map((name) => out.fresh(`path.${name}`)) as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];

  const mountedSomewhere = [
    ...probeFieldAt(STACK.name, 8, STACK.mount, 'mount.mnt_ns'),
    ldx('dw', R1, R10, STACK.name),
    jeq(R1, 0, unknown),
  ];

  out.emit(
    comment('resolve the path, component by component'),
    st('h', R7, slot + STRING.nameLength, 0),
    st('w', R7, buffer + SCRATCH.count, 0),
    ...loopStart(out, R9, END, buffer + SCRATCH.cell, PATH_BYTES - 1),
    ...loopStart(out, R8, 0, buffer + SCRATCH.cell, MAX_MARKS - 1),
    ...BEFORE.map((slot) => st('dw', R10, slot, 0)),
    ...probeFieldAt(STACK.root, 8, STACK.mount, 'mount.mnt.mnt_root'),
    label(loop),
    ...loopHead(out, unknown),
    jge(R8, MAX_STEPS, unknown),
    add(R8, 1),
    ...COMPONENT.map((slot) => st('dw', R10, slot, 0)),
    ...mark(buffer, STACK.length, STACK.dentry, 'dentry.d_seq'),
    and(R1, 1),
    jne(R1, 0, unknown),
    ...probeFieldAt(STACK.parent, 8, STACK.dentry, 'dentry.d_parent'),
    ldx('dw', R1, R10, STACK.dentry),
    jeq(R1, 0, unknown),
    ldx('dw', R2, R10, STACK.root),
    jne(R1, R2, notRoot),
    ...mark(buffer, STACK.name, STACK.mount, 'mount.mnt_parent'),
    jeq(R1, 0, unknown),
    ldx('dw', R2, R10, STACK.mount),
    jeq(R1, R2, root),
    ...mark(buffer, STACK.dentry, STACK.mount, 'mount.mnt_mountpoint'),
    ldx('dw', R1, R10, STACK.name),
    stx('dw', R10, STACK.mount, R1),
    ...probeFieldAt(STACK.root, 8, STACK.mount, 'mount.mnt.mnt_root'),
    ja(loop),

    label(notRoot),
    ldx('dw', R2, R10, STACK.parent),
    jeq(R1, R2, alone),
    label(step),
    ...probeFieldAt(STACK.name, 8, STACK.dentry, 'dentry.d_name.name'),
    st('dw', R10, STACK.length, 0),
    ...probeFieldAt(STACK.length, 4, STACK.dentry, 'dentry.d_name.len'),
    ldx('w', R2, R10, STACK.length),
    jeq(R2, 0, absent),
    jge(R2, END, unknown),
    mov(R1, R9),
    jle(R1, R2, unknown),
    ldx('h', R1, R7, slot + STRING.nameLength),
    jne(R1, 0, `${step}.named`),
    stx('h', R7, slot + STRING.nameLength, R2),
    label(`${step}.named`),
    sub(R9, R2),
    sub(R9, 1),
    and(R9, PATH_BYTES - 1),
    mov(R1, R7),
    add(R1, buffer),
    add(R1, R9),
    st('b', R1, 0, 0x2f),
    add(R1, 1),
    and(R2, PATH_BYTES - 1),
    ldx('dw', R3, R10, STACK.name),
    helper('bpf_probe_read_kernel'),
    ldx('dw', R1, R10, STACK.parent),
    ldx('dw', R2, R10, STACK.dentry),
    jeq(R1, R2, done),
    stx('dw', R10, STACK.dentry, R1),
    ja(loop),

    label(alone),
    comment(
      'its own parent below no mount: a file that lies in no folder (memfd, pipe, namespace), or a root that is mounted elsewhere',
    ),
    ...mountedSomewhere,
    jne(R9, END, done),
    ...probeFieldAt(STACK.name, 8, STACK.dentry, 'dentry.d_name.name'),
    st('dw', R10, STACK.length, 0),
    ...stackAddress(R1, STACK.length),
    mov(R2, 1),
    ldx('dw', R3, R10, STACK.name),
    helper('bpf_probe_read_kernel'),
    ldx('b', R1, R10, STACK.length),
    jeq(R1, 0, absent),
    jne(R1, 0x2f, step),
    ja(absent),

    label(root),
    ...mountedSomewhere,
    jne(R9, END, done),
    mov(R9, END - 1),
    mov(R1, R7),
    st('b', R1, buffer + END - 1, 0x2f),

    label(done),
    comment('is all that the walk went by still so?'),
    stx('dw', R10, STACK.scratch, R9),
    ...COMPONENT.map((slot) => st('dw', R10, slot, 0)),
    st('dw', R10, STACK.dentry, 0),
    st('dw', R10, STACK.mount, 0),
    st('dw', R10, STACK.root, 0),
    ...loopStart(out, R8, 0, buffer + SCRATCH.cell, MAX_MARKS - 1),
    label(check),
    ...loopHead(out, unknown),
    st('dw', R10, STACK.name, 0),
    ldx('w', R1, R7, buffer + SCRATCH.count),
    jge(R8, R1, same),
    jge(R8, MAX_MARKS, unknown),
    mov(R9, R8),
    lsh(R9, 4),
    add(R9, R7),
    ...stackAddress(R1, STACK.name),
    mov(R2, 8),
    ldx('dw', R3, R9, buffer + SCRATCH.marks),
    helper('bpf_probe_read_kernel'),
    ldx('dw', R1, R10, STACK.name),
    ldx('dw', R2, R9, buffer + SCRATCH.marks + 8),
    jne(R1, R2, unknown),
    add(R8, 1),
    ja(check),
    label(same),
    ldx('dw', R9, R10, STACK.scratch),
    mov(R2, END),
    sub(R2, R9),
    jgt(R2, END, unknown),
    jlt(R2, 1, unknown),
    stx('h', R7, slot + STRING.length, R2),
    and(R9, PATH_BYTES - 1),
    mov(R3, R7),
    add(R3, buffer),
    add(R3, R9),
    mov(R1, R7),
    add(R1, slot + STRING.data),
    helper('bpf_probe_read_kernel'),
    jne(R0, 0, unknown),
    label(give),
    st('b', R7, slot + STRING.state, STRING_STATE.present),
    ja(end),
    label(unknown),
    st('b', R7, slot + STRING.state, STRING_STATE.unknown),
    ja(end),
    label(absent),
    st('b', R7, slot + STRING.state, STRING_STATE.absent),
    label(end),
  );
};

/** STACK.dentry and STACK.mount = those of the struct path at the address in r9 plus a member's offset. Uses r9. */
export const emitPathOf = (out: Emitter, structPath: 'file.f_path' | 'fs_struct.pwd' | 'path'): void => {
  out.emit(
    stx('dw', R10, STACK.scratch, R9),
    ...probeFieldAt(STACK.dentry, 8, STACK.scratch, `${structPath}.dentry`),
    ...probeFieldAt(STACK.mount, 8, STACK.scratch, `${structPath}.mnt`),
    ldx('dw', R1, R10, STACK.mount),
    movField(R2, 'mount.mnt', 'offset'),
    sub(R1, R2),
    stx('dw', R10, STACK.mount, R1),
  );
};

/** Puts a slash behind the folder in a string slot, as proc.cwd has it; one that leaves no room for it is unknown. */
export const emitFolderSlash = (out: Emitter, slot: number): void => {
  const [known, end] = [out.fresh('slash.known'), out.fresh('slash.end')];
  out.emit(
    ldx('b', R1, R7, slot + STRING.state),
    jne(R1, STRING_STATE.present, end),
    ldx('h', R1, R7, slot + STRING.length),
    jlt(R1, PATH_BYTES - 1, known),
    st('b', R7, slot + STRING.state, STRING_STATE.unknown),
    ja(end),
    label(known),
    jle(R1, 1, end),
    mov(R2, R7),
    add(R2, R1),
    st('b', R2, slot + STRING.data, 0x2f),
    add(R1, 1),
    stx('h', R7, slot + STRING.length, R1),
    label(end),
  );
};
