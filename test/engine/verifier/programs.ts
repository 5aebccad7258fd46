import {
  add,
  assemble,
  call,
  exit,
  type Item,
  jne,
  label,
  loadMap,
  mov,
  R0,
  R1,
  R2,
  R3,
  R4,
  R10,
  st,
} from '../../../engine/isa/index.ts';
import { defineStructs, HOOKS, type HookName, type MapSpec, parseBtf, relocate } from '../../../engine/object/index.ts';
import { type Verified, type VerifierContext, VerifierError, verify } from '../../../engine/verifier/index.ts';
import { type Helper, helperById, helperByName } from '../../../engine/vm/index.ts';

/** Maps that the programs of these tests use, by name; the handle is the place in the list plus 10. */
export const MAPS: readonly MapSpec[] = [
  { name: 'counts', type: 'hash', keySize: 4, valueSize: 16, maxEntries: 8 },
  { name: 'cells', type: 'array', keySize: 4, valueSize: 64, maxEntries: 4 },
  { name: 'config', type: 'array', keySize: 4, valueSize: 32, maxEntries: 1 },
  { name: 'events', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 },
  {
    name: 'strings',
    type: 'array',
    keySize: 4,
    valueSize: 8,
    maxEntries: 1,
    flags: 1 << 7,
    contents: [[new Uint8Array(4), new TextEncoder().encode('sh\0abcde')]],
  },
];

export const handleOf = (name: string): number | undefined => {
  const index = MAPS.findIndex((map) => map.name === name);
  return index < 0 ? undefined : index + 10;
};

export const BTF = parseBtf(
  defineStructs({
    pt_regs: { ax: 'unsigned long @ 80', orig_ax: 'unsigned long @ 120', ss: 'unsigned long @ 160' },
    cred: { usage: 'int', uid: 'unsigned int', euid: 'unsigned int @ 20' },
    task_struct: {
      pid: 'int',
      tgid: 'int',
      real_parent: 'struct task_struct *',
      cred: 'struct cred *',
      comm: 'char [16]',
      stack: 'void *',
    },
    linux_binprm: { file: 'struct file *', filename: 'char *' },
    file: { f_flags: 'unsigned int', f_cred: 'struct cred *' },
    socket: { state: 'int' },
    sockaddr: { sa_family: 'unsigned short', sa_data: 'char [14]' },
  }),
);

const idOf = (name: string): number => {
  const helper = helperByName(name);
  if (!helper) throw new Error(`there is no helper ${name}`);
  return helper.id;
};
export const LOOKUP = idOf('bpf_map_lookup_elem');
export const UPDATE = idOf('bpf_map_update_elem');
export const RANDOM = idOf('bpf_get_prandom_u32');
export const GET_CURRENT_COMM = idOf('bpf_get_current_comm');
export const PROBE_READ_KERNEL = idOf('bpf_probe_read_kernel');
export const PROBE_READ_KERNEL_STR = idOf('bpf_probe_read_kernel_str');
export const RINGBUF_OUTPUT = idOf('bpf_ringbuf_output');
export const RESERVE = idOf('bpf_ringbuf_reserve');
export const SUBMIT = idOf('bpf_ringbuf_submit');
export const DISCARD = idOf('bpf_ringbuf_discard');
export const STRNCMP = idOf('bpf_strncmp');
/** bpf_get_current_task_btf, and a helper for LSM programs only. */
export const TASK_BTF = 158;
export const LSM_ONLY = 900;

const TEST_HELPERS: readonly Helper[] = [
  {
    name: 'bpf_get_current_task_btf',
    id: TASK_BTF,
    arguments: [],
    returns: { struct: 'task_struct' },
    programTypes: 'all',
    run: () => 0n,
  },
  {
    name: 'bpf_bprm_opts_set',
    id: LSM_ONLY,
    arguments: ['context'],
    returns: 'scalar',
    range: { min: -4095n, max: 0n },
    programTypes: ['lsm'],
    run: () => 0n,
  },
];

/** `r0 = 0; exit` */
export const end: readonly Item[] = [mov(R0, 0), exit()];

/** r0 = the map's value with the key 0, or null; uses 4 bytes of stack at r10-4. */
export const lookUp = (map: string): Item[] => [
  st('w', R10, -4, 0),
  loadMap(R1, map),
  mov(R2, R10),
  add(R2, -4),
  call(LOOKUP),
];

/** r0 = the map's value with the key 0; the program ends where there is none. */
export const found = (map: string): Item[] => [...lookUp(map), jne(R0, 0, 'found'), ...end, label('found')];

/** Instructions enough that the verifier remembers a state where ways meet after them. */
export const PADDING: readonly Item[] = [mov(R4, 0), ...Array.from({ length: 7 }, () => add(R4, 1))];

/** r0 = a ring buffer record of this size, or null. */
export const reserve = (size: number): Item[] => [loadMap(R1, 'events'), mov(R2, size), mov(R3, 0), call(RESERVE)];

export const contextFor = (hook: HookName, lines: VerifierContext['lines'] = []): VerifierContext => ({
  name: 'test',
  hook: HOOKS[hook],
  btf: BTF,
  map: (handle) => MAPS[handle - 10],
  helper: (id) => TEST_HELPERS.find((helper) => helper.id === id) ?? helperById(id),
  lines,
});

/** A program and the whole text that it is refused with. */
export interface Refusal {
  readonly name: string;
  readonly items: readonly Item[];
  readonly hook?: HookName;
  readonly message: string;
}

export const noBound = (register: string): string =>
  `the offset that was added to ${register} has no bound; mask it or compare it with a constant first`;

export const noLowerBound = (register: string): string =>
  `${register} is moved by a number without a lower bound; mask it or compare it with a constant first`;

/** Assembles, relocates against the maps above, and verifies. @throws VerifierError */
export function verifyItems(items: readonly Item[], hook: HookName = 'tp_btf/sys_exit'): Verified {
  const { instructions, relocations, lines } = assemble(items);
  const relocated = relocate({ name: 'test', hook, instructions, relocations, lines }, handleOf, BTF);
  return verify(relocated, contextFor(hook, lines));
}

/** The error that a program is refused with. */
export function refusalOf(items: readonly Item[], hook: HookName = 'tp_btf/sys_exit'): VerifierError {
  try {
    verifyItems(items, hook);
  } catch (error) {
    if (error instanceof VerifierError) return error;
    throw error;
  }
  throw new Error('the program was accepted');
}
