import { statSync } from 'node:fs';

/**
 * What a path is to the kernel: `super_block.s_dev` (major << 20 | minor) and `inode.i_ino`; undefined where there is no such file. On btrfs and overlayfs,
 * stat(2) tells another device than the super block's.
 */
export function fileId(path: string): { readonly dev: bigint; readonly ino: bigint } | undefined {
  const found = statOf(path);
  return found && { dev: kernelDevice(found.dev), ino: found.ino };
}

function statOf(path: string): { readonly dev: bigint; readonly ino: bigint } | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** From stat(2)'s encoding of a device (new_encode_dev of include/linux/kdev_t.h) to the kernel's own. */
export function kernelDevice(dev: bigint): bigint {
  const major = (dev & 0xfff00n) >> 8n;
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xfff00n);
  return (major << 20n) | minor;
}
