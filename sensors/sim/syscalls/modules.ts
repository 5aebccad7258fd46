import { EBADF, EEXIST, EFAULT, EINVAL, ENOENT, ENOEXEC, EPERM } from '../../../engine/maps/index.ts';
import { CAP_SYS_BOOT, CAP_SYS_MODULE } from '../kernel/credentials.ts';
import { decodeText } from '../kernel/kernel-object.ts';
import { askSecurity } from '../kernel/security.ts';
import { CallError, type CallHandler, type SystemCall } from './call.ts';

/** What is read or copied (include/linux/kernel_read_file.h; enum kernel_load_data_id has the same numbers). */
const READING_MODULE = 2;
const READING_KEXEC_IMAGE = 3;

/** finit_module's flags (include/uapi/linux/module.h): MODULE_INIT_IGNORE_MODVERSIONS, _IGNORE_VERMAGIC, _COMPRESSED_FILE. */
const INIT_FLAGS = 7;

const mayLoad = (call: SystemCall): boolean => call.machine.permissions.capable(call.task.cred, CAP_SYS_MODULE);

/** A name that stands for a module of that name, where its image would be. */
const PLAIN_NAME = /^[\w-]+$/;

/** The name that a module's image gives it in .modinfo; undefined where it has none. */
const nameIn = (image: Uint8Array): string | undefined => /\0name=([\w-]+)\0/.exec(decodeText(image))?.[1];

/** Loads a module: what begins as an ELF file does, or a plain name that stands for one. Images without a name are not told apart. */
const load = (call: SystemCall, image: Uint8Array, fileName: string | undefined): number => {
  const { modules } = call.machine;
  const text = decodeText(image);
  const isElf = text.startsWith('\x7fELF');
  if (!isElf && text !== '' && !PLAIN_NAME.test(text)) return -ENOEXEC;
  const name = (isElf ? nameIn(image) : text || undefined) ?? fileName?.replace(/\.ko(\..*)?$/, '');
  if (name === undefined) return 0;
  if (modules.has(name)) return -EEXIST;
  modules.add(name);
  return 0;
};

/** The image of init_module, cut to the length it was given. @throws CallError EFAULT */
const imageOf = (call: SystemCall): Uint8Array => {
  const bytes = call.bytes(0);
  return bytes.subarray(0, call.raw(1) === undefined ? undefined : call.number(1));
};

/** Loading and removing modules of the kernel (init_module(2), delete_module(2)), and another kernel. */
export const moduleCalls: Readonly<Record<string, CallHandler>> = {
  init_module: (call) => {
    if (!mayLoad(call)) return -EPERM;
    const verdict = askSecurity(call.machine, 'kernel_load_data', [READING_MODULE, 1]);
    if (verdict < 0) return verdict;
    if (call.isNull(0)) throw new CallError(EFAULT);
    const image = imageOf(call);
    return image.length === 0 ? -ENOEXEC : load(call, image, undefined);
  },
  finit_module: (call) => {
    if (!mayLoad(call)) return -EPERM;
    if ((call.int(2) & ~INIT_FLAGS) !== 0) return -EINVAL;
    const file = call.file(0);
    if (!file.readable) return -EBADF;
    if (!file.inode.isRegular) return -EINVAL;
    const verdict = askSecurity(call.machine, 'kernel_read_file', [file, READING_MODULE, 1]);
    if (verdict < 0) return verdict;
    return load(call, file.inode.data, file.path.dentry.name);
  },
  delete_module: (call) => {
    if (!mayLoad(call)) return -EPERM;
    return call.machine.modules.delete(call.text(0).replaceAll('-', '_')) || call.machine.modules.delete(call.text(0))
      ? 0
      : -ENOENT;
  },
  kexec_load: (call) => {
    if (!call.machine.permissions.capable(call.task.cred, CAP_SYS_BOOT)) return -EPERM;
    return askSecurity(call.machine, 'kernel_load_data', [READING_KEXEC_IMAGE, 0]);
  },
  kexec_file_load: (call) => {
    if (!call.machine.permissions.capable(call.task.cred, CAP_SYS_BOOT)) return -EPERM;
    const file = call.file(0);
    if (!file.inode.isRegular) return -EINVAL;
    return askSecurity(call.machine, 'kernel_read_file', [file, READING_KEXEC_IMAGE, 1]);
  },
};
