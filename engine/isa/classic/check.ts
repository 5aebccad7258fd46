import { ClassicError, type ClassicForm, type ClassicInstruction, classicForm, MAX_CLASSIC } from './instruction.ts';

/** What a filter is for: packets of a socket, or system calls of a task. */
export type ClassicKind = 'socket' | 'seccomp';

/** Words of the scratch memory M[]. */
export const MEMORY_WORDS = 16;
/** sizeof(struct seccomp_data). */
export const SECCOMP_DATA_BYTES = 64;
/** From here on offsets name data about the packet, not its bytes (include/uapi/linux/filter.h, as unsigned numbers). */
const [SKF_AD_OFF, SKF_NET_OFF, SKF_LL_OFF] = [0xffff_f000, 0xfff0_0000, 0xffe0_0000];

/** SKF_AD_*: what the kernel knows about a packet beside its bytes. */
const ANCILLARY = [
  ...['protocol', 'pkttype', 'ifindex', 'nlattr', 'nlattr_nest', 'mark', 'queue', 'hatype', 'rxhash', 'cpu'],
  ...['alu_xor_x', 'vlan_tag', 'vlan_tag_present', 'pay_offset', 'random', 'vlan_tpid'],
];

/** The load that is no load: A ^= X. */
export const ALU_XOR_X = SKF_AD_OFF + 40;

/** One instruction of a filter that was found to be valid. */
export interface CheckedClassic extends ClassicInstruction {
  readonly form: ClassicForm;
}

/** What bpf_check_classic (net/core/filter.c) and seccomp_check_filter (kernel/seccomp.c) check before a filter is taken. @throws ClassicError */
export function checkClassic(program: readonly ClassicInstruction[], kind: ClassicKind): CheckedClassic[] {
  if (program.length === 0) throw new ClassicError(undefined, 'the filter is empty; it needs at least a ret');
  if (program.length > MAX_CLASSIC) {
    throw new ClassicError(
      undefined,
      `the filter has ${program.length} instructions, at most ${MAX_CLASSIC} are allowed`,
    );
  }
  const checked = program.map((instruction, at) => {
    const form = classicForm(instruction.code);
    if (!form) {
      throw new ClassicError({ at }, `0x${instruction.code.toString(16).padStart(2, '0')} is no code of classic BPF`);
    }
    checkForm(instruction, form, at, program.length);
    if (kind === 'seccomp') checkSeccomp(instruction, form, at);
    else checkPacket(instruction, form, at);
    return { ...instruction, form };
  });
  if (checked.at(-1)!.form.kind !== 'ret') {
    throw new ClassicError({ at: program.length - 1 }, 'the last instruction must be a ret');
  }
  checkMemory(checked);
  return checked;
}

function checkForm({ jt, jf, k }: ClassicInstruction, form: ClassicForm, at: number, length: number): void {
  const goes = (distance: number, what: string): void => {
    if (at + 1 + distance < length) return;
    throw new ClassicError(
      { at },
      `${what} goes to instruction ${at + 1 + distance}, the filter has instructions 0 to ${length - 1}`,
    );
  };
  switch (form.kind) {
    case 'alu':
      if (form.source === 'x') return;
      if ((form.operation === 'div' || form.operation === 'mod') && k === 0) {
        throw new ClassicError({ at }, `${form.operation} by the constant 0`);
      }
      if ((form.operation === 'lsh' || form.operation === 'rsh') && k >= 32) {
        throw new ClassicError({ at }, `a shift by ${k} is not below the width of 32 bits`);
      }
      return;
    case 'load':
    case 'store':
      if (k < MEMORY_WORDS) return;
      throw new ClassicError({ at }, `there is no M[${k}]; the scratch memory is M[0] to M[${MEMORY_WORDS - 1}]`);
    case 'ja':
      goes(k, 'the jump');
      return;
    case 'jump':
      goes(jt, 'the jump where true');
      goes(jf, 'the jump where false');
      return;
  }
}

function checkSeccomp({ k }: ClassicInstruction, form: ClassicForm, at: number): void {
  if (form.kind === 'msh' || (form.kind === 'packet' && (form.mode !== 'abs' || form.size !== 'w'))) {
    throw new ClassicError({ at }, 'seccomp filters load whole words at fixed offsets only');
  }
  if (form.kind === 'packet' && (k >= SECCOMP_DATA_BYTES || (k & 3) !== 0)) {
    const offset = k > 0x7fff_ffff ? k - 2 ** 32 : k;
    throw new ClassicError(
      { at },
      `offset ${offset} is no word of seccomp_data; its words begin at 0, 4, ... ${SECCOMP_DATA_BYTES - 4}`,
    );
  }
  if (form.kind === 'alu' && form.operation === 'mod') throw new ClassicError({ at }, 'seccomp filters have no mod');
}

function checkPacket({ k }: ClassicInstruction, form: ClassicForm, at: number): void {
  const fixed = form.kind === 'msh' || (form.kind === 'packet' && form.mode === 'abs');
  if (!fixed || k < SKF_LL_OFF) return;
  if (k >= SKF_AD_OFF && form.kind === 'packet') {
    if (k === ALU_XOR_X) return;
    const distance = k - SKF_AD_OFF;
    const name = distance % 4 === 0 ? ANCILLARY[distance / 4] : undefined;
    if (name === undefined) throw new ClassicError({ at }, `SKF_AD_OFF + ${distance} names no data of the kernel`);
    throw new ClassicError(
      { at },
      `SKF_AD_${name.toUpperCase()} is what the kernel knows about a packet; this machine has only its bytes`,
    );
  }
  const name = k >= SKF_NET_OFF ? 'SKF_NET_OFF' : 'SKF_LL_OFF';
  throw new ClassicError(
    { at },
    `${name} counts from a header that the kernel knows; this machine has only the packet's bytes, use offsets from its first`,
  );
}

/** check_load_and_stores of net/core/filter.c: no word of M[] is read that some path to it has not written. @throws ClassicError */
function checkMemory(program: readonly CheckedClassic[]): void {
  const written = new Uint32Array(program.length).fill(0xffff);
  let valid = 0;
  for (const [at, { form, jt, jf, k }] of program.entries()) {
    valid &= written[at]!;
    if (form.kind === 'store') valid |= 1 << k;
    else if (form.kind === 'load' && (valid & (1 << k)) === 0) {
      throw new ClassicError({ at }, `reads M[${k}], which not every path to here has written`);
    } else if (form.kind === 'ja' || form.kind === 'jump') {
      for (const distance of form.kind === 'ja' ? [k] : [jt, jf]) written[at + 1 + distance]! &= valid;
      valid = 0xffff;
    }
  }
}
