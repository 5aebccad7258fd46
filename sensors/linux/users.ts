import { readFileSync, statSync } from 'node:fs';

const PASSWD = '/etc/passwd';
/** How often it is looked whether the file has changed. */
const CHECK_MS = 1_000;

/** Names of users by their ids as /etc/passwd has them (passwd(5)); read again when it changes. The first of several names counts. */
export function createUserNames(path = PASSWD): (uid: number) => string | undefined {
  let names: ReadonlyMap<number, string> = new Map();
  let version = '';
  let checked = Number.NEGATIVE_INFINITY;
  return (uid) => {
    const now = performance.now();
    if (now - checked >= CHECK_MS) {
      checked = now;
      const found = versionOf(path);
      if (found !== version) {
        version = found;
        names = found === '' ? new Map() : readNames(path);
      }
    }
    return names.get(uid);
  };
}

/** Changes with the file; empty where there is none. */
function versionOf(path: string): string {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? '' : `${found.ino} ${found.size} ${found.mtimeNs}`;
}

function readNames(path: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return names;
  }
  for (const line of text.split('\n')) {
    const [name = '', , uid = ''] = line.split(':');
    if (name !== '' && /^\d+$/.test(uid) && !names.has(Number(uid))) names.set(Number(uid), name);
  }
  return names;
}
