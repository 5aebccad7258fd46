/** What somebody can do about an error of the file system, by its code. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOSPC: 'make room on its file system (df, df -i)',
  EDQUOT: 'make room, or raise the quota',
  EROFS: 'its file system is read-only: mount it writable, or give another folder',
  EACCES: 'run the agent as the owner of the folder, or change its owner and mode (chown, chmod 700)',
  EPERM: 'change the owner, the mode or the attributes (lsattr), or give another folder',
  EIO: 'its disk fails: give a folder on another',
  ELOOP: 'it is a symbolic link, which a log does not follow: put a file or folder in its place',
  EISDIR: 'it is a folder that has the name of a file of the log: move it away',
  ENOTDIR: 'a part of the path is no folder: give another',
  ENOENT: 'a part of the path is missing: make it, or give another',
  EMFILE: 'raise the limit of open files (ulimit -n)',
  ENFILE: 'raise the limit of open files (fs.file-max)',
};

/** The error's code, as `ENOSPC`; empty where it has none. */
export const codeOf = (error: unknown): string => String((error as NodeJS.ErrnoException | undefined)?.code ?? '');

/** Whether an error says that there is no such file. */
export const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT';

/** Whether an error says that there is no room: blocks, inodes or quota. */
export const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes(codeOf(error));

/** An error's message, and what can be done about it. */
export const withRemedy = (error: unknown): string => {
  const remedy = REMEDIES[codeOf(error)];
  const { message } = error as Error;
  return remedy === undefined ? message : `${message}; ${remedy}`;
};
