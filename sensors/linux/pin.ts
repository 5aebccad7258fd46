import { existsSync, mkdirSync, rmSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { createAttribute } from './attribute.ts';
import { addressOf, bpf } from './call.ts';
import { BpfError } from './error.ts';

const PIN_BYTES = 16;
/** BPF_FS_MAGIC of include/uapi/linux/magic.h. */
const BPF_FS = 0xcafe4a11;

/** A folder on a bpffs; what is pinned in it stays in the kernel when this process ends, until its file is removed. */
export interface Pins {
  /** Puts a map, program or link there in place of what has that name. @throws BpfError */
  pin(fd: number, name: string): void;
  unpin(name: string): void;
}

/** Opens a folder for pinning and makes it where it is missing. @throws Error where it lies on no bpffs */
export function openPins(folder: string): Pins {
  let place = folder;
  while (!existsSync(place)) place = dirname(place);
  if (statfsSync(place).type !== BPF_FS)
    throw new Error(
      `${folder} is not on a bpffs, where alone maps, programs and links can be pinned; name a folder below /sys/fs/bpf, or \`mount -t bpf bpf ${place}\``,
    );
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  /** bpffs takes no dots in names. */
  const pathOf = (name: string): string => `${folder}/${name.replace(/[^A-Za-z0-9_]/g, '_')}`;
  return {
    unpin: (name) => rmSync(pathOf(name), { force: true }),
    pin(fd, name) {
      const path = pathOf(name);
      rmSync(path, { force: true });
      const bytes = Buffer.from(`${path}\0`);
      const attr = createAttribute(PIN_BYTES);
      attr.u64(0, addressOf(bytes));
      attr.u32(8, fd);
      const result = bpf('BPF_OBJ_PIN', attr.bytes, PIN_BYTES);
      if (result < 0) throw new BpfError('BPF_OBJ_PIN', -result, path);
    },
  };
}
