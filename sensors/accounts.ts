/** What Falco's libs print of a user or a group whose id has no name (libsinsp's sinsp_threadinfo::set_user). */
export const NO_NAME = '<NA>';

/** A user as passwd(5) has it; `NO_NAME` for what isn't known of its id. */
export interface User {
  readonly name: string;
  readonly homedir: string;
  readonly shell: string;
}

/** Names of the observed host's users and groups by their ids. */
export interface Accounts {
  /** Undefined where nobody can tell; an id that has no name is a user called `NO_NAME`. */
  user(uid: number): User | undefined;
  group(gid: number): string | undefined;
  /** The ids that have names. */
  uids(): Iterable<number>;
  gids(): Iterable<number>;
  /** Another number when names have changed; looks for that now and then. */
  version(): number;
}

/** Where the files are read from. */
export interface AccountFiles {
  /** Changes with the file; undefined where it can't be read. */
  version(path: string): string | undefined;
  /** @throws Error where it can't be read */
  read(path: string): string;
}

const PASSWD = '/etc/passwd';
const GROUP = '/etc/group';

/** root has this name even where no file says so. */
const ROOT: User = { name: 'root', homedir: '/root', shell: NO_NAME };
const NOBODY: User = { name: NO_NAME, homedir: NO_NAME, shell: NO_NAME };

const isId = (text: string): boolean => /^\d{1,10}$/.test(text) && Number(text) <= 0xffff_ffff;

/** Lines of passwd(5); the first of several users with one id counts. */
export const parsePasswd = (text: string): ReadonlyMap<number, User> => {
  const users = new Map<number, User>();
  for (const line of text.split('\n')) {
    const [name = '', , uid = '', , , homedir = NO_NAME, shell = NO_NAME] = line.split(':');
    if (name !== '' && isId(uid) && !users.has(Number(uid))) users.set(Number(uid), { name, homedir, shell });
  }
  return users;
};

/** Lines of group(5); the first of several groups with one id counts. */
export const parseGroups = (text: string): ReadonlyMap<number, string> => {
  const groups = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [name = '', , gid = ''] = line.split(':');
    if (name !== '' && isId(gid) && !groups.has(Number(gid))) groups.set(Number(gid), name);
  }
  return groups;
};

/**
 * Names from /etc/passwd and /etc/group, read again when they change; the host's also for tasks in containers. Where a file can't be read,
 * only id 0 has a name, and nobody can tell of the others. @param every milliseconds between two looks at the files
 */
export const createAccounts = (files: AccountFiles, every: number): Accounts => {
  let users: ReadonlyMap<number, User> | undefined;
  let groups: ReadonlyMap<number, string> | undefined;
  const versions = new Map<string, string | undefined>();
  let version = 0;
  let checked = Number.NEGATIVE_INFINITY;
  const read = <Names>(path: string, parse: (text: string) => Names): Names | undefined => {
    try {
      return parse(files.read(path));
    } catch {
      return undefined;
    }
  };
  const hasChanged = (path: string): boolean => {
    const found = files.version(path);
    if (versions.has(path) && versions.get(path) === found) return false;
    versions.set(path, found);
    return true;
  };
  const look = (): void => {
    const now = performance.now();
    if (now - checked < every) return;
    checked = now;
    if (hasChanged(PASSWD)) {
      users = read(PASSWD, parsePasswd);
      version++;
    }
    if (hasChanged(GROUP)) {
      groups = read(GROUP, parseGroups);
      version++;
    }
  };
  return {
    user: (uid) => {
      look();
      return users?.get(uid) ?? (uid === 0 ? ROOT : users && NOBODY);
    },
    group: (gid) => {
      look();
      return groups?.get(gid) ?? (gid === 0 ? ROOT.name : groups && NO_NAME);
    },
    uids: () => {
      look();
      return users?.keys() ?? [0];
    },
    gids: () => {
      look();
      return groups?.keys() ?? [0];
    },
    version: () => {
      look();
      return version;
    },
  };
};

/** Where no file says anything: 0 is root everywhere, and nobody can tell of the others. */
export const ONLY_ROOT: Accounts = createAccounts(
  {
    version: () => undefined,
    read: () => {
      throw new Error('there are no files');
    },
  },
  Number.POSITIVE_INFINITY,
);
