import { S_ISGID, S_ISUID, S_ISVTX } from '../uapi.ts';
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, type Subject } from './credentials.ts';
import type { Inode } from './inodes.ts';

/** What somebody wants to do with a file (include/linux/fs.h). */
export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

/** Who may do what with a file (fs/namei.c, generic_permission). */
export class Permissions {
  /** Everybody may do everything: recorded calls, whose outcome is known, and changes from outside. */
  lifted = false;

  may(subject: Subject, inode: Inode, mask: number): boolean {
    if (this.lifted) return true;
    const { mode } = inode;
    const bits = subject.fsuid === inode.uid ? mode >> 6 : subject.inGroup(inode.gid) ? mode >> 3 : mode;
    if ((bits & mask) === mask) return true;
    if (inode.isDirectory) {
      if (subject.capable(CAP_DAC_OVERRIDE)) return true;
      return (mask & MAY_WRITE) === 0 && subject.capable(CAP_DAC_READ_SEARCH);
    }
    if (mask === MAY_READ && subject.capable(CAP_DAC_READ_SEARCH)) return true;
    return ((mask & MAY_EXEC) === 0 || (mode & 0o111) !== 0) && subject.capable(CAP_DAC_OVERRIDE);
  }

  /** Whether somebody counts as a file's owner. */
  owns(subject: Subject, inode: Inode): boolean {
    return this.lifted || subject.fsuid === inode.uid || subject.capable(CAP_FOWNER);
  }

  /** Whether the sticky bit of a directory keeps somebody from removing a file in it. */
  stuck(subject: Subject, directory: Inode, inode: Inode): boolean {
    if (this.lifted || (directory.mode & S_ISVTX) === 0) return false;
    return subject.fsuid !== inode.uid && subject.fsuid !== directory.uid && !subject.capable(CAP_FOWNER);
  }

  /**
   * Whether somebody may give a file another name (fs/namei.c, may_linkat with fs.protected_hardlinks = 1, as systemd sets it):
   * the owner, or who could read and write a plain file that is no way to more rights.
   */
  mayLink(subject: Subject, inode: Inode): boolean {
    if (this.owns(subject, inode)) return true;
    const safe =
      inode.isRegular && (inode.mode & S_ISUID) === 0 && (inode.mode & (S_ISGID | 0o010)) !== (S_ISGID | 0o010);
    return safe && this.may(subject, inode, MAY_READ | MAY_WRITE);
  }

  /** Takes the set-id bits from a file that somebody without CAP_FSETID wrote to (fs/inode.c, file_remove_privs). */
  afterWrite(subject: Subject, inode: Inode): void {
    if (this.lifted || !inode.isRegular || subject.capable(CAP_FSETID)) return;
    if ((inode.mode & (S_ISUID | S_ISGID)) !== 0) inode.mode &= ~this.setIdBitsToDrop(subject, inode);
  }

  /**
   * The set-id bits that a change of content or owner takes away (fs/attr.c, setattr_should_drop_suidgid): setgid without group
   * execution means something else, and stays where somebody may set it.
   */
  setIdBitsToDrop(subject: Subject, inode: Inode): number {
    const keepsGroup = (inode.mode & 0o010) === 0 && this.maySetGroupId(subject, inode.gid);
    return inode.mode & (keepsGroup ? S_ISUID : S_ISUID | S_ISGID);
  }

  /** Whether somebody may set the setgid bit of a file of a group (fs/inode.c, in_group_or_capable). */
  maySetGroupId(subject: Subject, gid: number): boolean {
    return this.lifted || subject.inGroup(gid) || subject.capable(CAP_FSETID);
  }

  /** Whether somebody has a capability in effect. */
  capable(subject: Subject, capability: number): boolean {
    return this.lifted || subject.capable(capability);
  }
}
