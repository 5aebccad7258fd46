import type { Memory } from '../../../engine/vm/index.ts';
import { KernelObject } from './kernel-object.ts';
import { type Path, writePath } from './mounts.ts';
import { FS_STRUCT } from './structs.ts';

/** Root and working directory (struct fs_struct). */
export class FsStruct extends KernelObject {
  umask = 0o022;
  #root: Path;
  #cwd: Path;
  #users = 1;

  constructor(memory: Memory, root: Path, cwd: Path) {
    super(memory, FS_STRUCT.size);
    this.#root = root;
    this.#cwd = cwd;
    root.dentry.pin();
    cwd.dentry.pin();
    writePath(memory, this.at + FS_STRUCT.root, root);
    writePath(memory, this.at + FS_STRUCT.cwd, cwd);
  }

  get root(): Path {
    return this.#root;
  }

  set root(path: Path) {
    path.dentry.pin();
    this.#root.dentry.unpin();
    this.#root = path;
    writePath(this.memory, this.at + FS_STRUCT.root, path);
  }

  get cwd(): Path {
    return this.#cwd;
  }

  set cwd(path: Path) {
    path.dentry.pin();
    this.#cwd.dentry.unpin();
    this.#cwd = path;
    writePath(this.memory, this.at + FS_STRUCT.cwd, path);
  }

  get users(): number {
    return this.#users;
  }

  get shared(): boolean {
    return this.#users > 1;
  }

  share(): FsStruct {
    this.#users++;
    return this;
  }

  copy(): FsStruct {
    const copy = new FsStruct(this.memory, this.#root, this.#cwd);
    copy.umask = this.umask;
    return copy;
  }

  release(): void {
    if (--this.#users > 0) return;
    this.#root.dentry.unpin();
    this.#cwd.dentry.unpin();
    this.free();
  }
}
