import { assemble, type Item } from '../../../engine/isa/index.ts';
import { defineStructs, HOOKS, type HookName, type MapSpec, parseBtf, relocate } from '../../../engine/object/index.ts';
import { type Verified, type VerifierContext, VerifierError, verify } from '../../../engine/verifier/index.ts';
import { helperById } from '../../../engine/vm/index.ts';

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

export const contextFor = (hook: HookName, lines: VerifierContext['lines'] = []): VerifierContext => ({
  name: 'test',
  hook: HOOKS[hook],
  btf: BTF,
  map: (handle) => MAPS[handle - 10],
  helper: helperById,
  lines,
});

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
