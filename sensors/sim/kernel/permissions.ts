import { S_ISVTX } from '../uapi.ts';
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, type Cred } from './credentials.ts';
import type { Inode } from './inodes.ts';

/** What somebody wants to do with a file (include/linux/fs.h). */
export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

/** Who may do what with a file (fs/namei.c, generic_permission). */
export class Permissions {
  /** Everybody may do everything: recorded calls, whose outcome is known, and changes from outside. */
  lifted = false;

  may(cred: Cred, inode: Inode, mask: number): boolean {
    if (this.lifted) return true;
    const { mode } = inode;
    const bits = cred.fsuid === inode.uid ? mode >> 6 : cred.inGroup(inode.gid) ? mode >> 3 : mode;
    if ((bits & mask) === mask) return true;
    if (inode.isDirectory) {
      if (cred.capable(CAP_DAC_OVERRIDE)) return true;
      return (mask & MAY_WRITE) === 0 && cred.capable(CAP_DAC_READ_SEARCH);
    }
    if (mask === MAY_READ && cred.capable(CAP_DAC_READ_SEARCH)) return true;
    return ((mask & MAY_EXEC) === 0 || (mode & 0o111) !== 0) && cred.capable(CAP_DAC_OVERRIDE);
  }

  /** Whether somebody counts as a file's owner. */
  owns(cred: Cred, inode: Inode): boolean {
    return this.lifted || cred.fsuid === inode.uid || cred.capable(CAP_FOWNER);
  }

  /** Whether the sticky bit of a directory keeps somebody from removing a file in it. */
  stuck(cred: Cred, directory: Inode, inode: Inode): boolean {
    if (this.lifted || (directory.mode & S_ISVTX) === 0) return false;
    return cred.fsuid !== inode.uid && cred.fsuid !== directory.uid && !cred.capable(CAP_FOWNER);
  }

  /** Whether somebody has a capability in effect. */
  capable(cred: Cred, capability: number): boolean {
    return this.lifted || cred.capable(capability);
  }
}
