import { spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Behaviour } from './behaviour.ts';
import { compileProgram } from './compile-program.ts';
import { makeWorld, NAMESPACES, putProgram } from './world.ts';

const SCRIPT = fileURLToPath(new URL('sandbox.sh', import.meta.url));
const PEER = fileURLToPath(new URL('../programs/peer.c', import.meta.url));
/** The programs' folder comes first, so that the shell that starts one has no failed execve before it in the observed cgroup. */
const PATH = '/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin';
/** Folders of libraries below /usr/lib that the world's programs need. */
const LIBRARIES = /^(x86_64-linux-gnu|python3.*)$/;
const UNSET_LOGINUID = 4_294_967_295;
const TIMEOUT_MS = 20_000;
const PID_LIMIT = 2000;

/** How a behaviour's program ended. */
export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Where behaviours run: what their roots are copied from. */
export interface Sandbox {
  /** Runs a behaviour's program in the cgroup whose cgroup.procs is at `procs`; `wrapper` goes before its command. */
  run(behaviour: Behaviour, procs: string): Promise<Ended>;
  remove(): void;
}

/** The highest pid of a pid namespace is its own from 6.14 on; before, it is the machine's. */
const pidLimit = (): string => {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  return major > 6 || (major === 6 && minor >= 14) ? String(PID_LIMIT) : '';
};

/** Everything of a behaviour's own but its programs, in a folder. */
export const putFiles = (behaviour: Behaviour, folder: string): void => {
  for (const path of behaviour.folders) mkdirSync(join(folder, path), { recursive: true });
  for (const [path, file] of Object.entries(behaviour.files)) {
    const { content = '', mode = '0644', uid = 0, gid = uid } = typeof file === 'string' ? { content: file } : file;
    const to = join(folder, path);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, content);
    chownSync(to, uid, gid);
    chmodSync(to, Number.parseInt(mode, 8));
  }
  for (const [path, target] of Object.entries(behaviour.links)) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    symlinkSync(target, join(folder, path));
  }
};

const putPrograms = (behaviour: Behaviour, folder: string): void => {
  for (const [path, name] of Object.entries(behaviour.copies)) putProgram(`/usr/bin/${name}`, folder, path);
  for (const { source, machine, path } of behaviour.programs) putProgram(compileProgram(source, machine), folder, path);
  for (const [path, mode] of Object.entries(behaviour.modes)) chmodSync(join(folder, path), Number.parseInt(mode, 8));
};

/** Makes the world that behaviours run in. */
export const createSandbox = (): Sandbox => {
  const base = mkdtempSync(join(tmpdir(), 'shrike-behaviours-'));
  chmodSync(base, 0o755);
  const world = join(base, 'world');
  mkdirSync(world);
  makeWorld(world);
  const libraries = readdirSync('/usr/lib')
    .filter((name) => LIBRARIES.test(name))
    .join(' ');
  const run = (behaviour: Behaviour, procs: string): Promise<Ended> => {
    const folder = mkdtempSync(join(base, 'run-'));
    const [files, root] = [join(folder, 'files'), join(folder, 'root')];
    mkdirSync(files);
    mkdirSync(root);
    putFiles(behaviour, files);
    putPrograms(behaviour, files);
    const env = {
      PATH,
      HOME: '/root',
      LANG: 'C',
      ROOT: root,
      WORLD: world,
      FILES: files,
      LIBRARIES: libraries,
      PROCS: procs,
      PEER: behaviour.remotes.length > 0 ? compileProgram(PEER) : '',
      PEERS: behaviour.remotes.join(' '),
      RUN_UID: String(behaviour.uid),
      LOGINUID: String(behaviour.loginuid ?? UNSET_LOGINUID),
      CWD: behaviour.cwd,
      PID_LIMIT: pidLimit(),
    };
    const child = spawn('unshare', [...NAMESPACES, '/bin/sh', SCRIPT, ...behaviour.argv], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    return new Promise((resolve, reject) => {
      child.once('error', reject).once('close', (code) => {
        rmSync(folder, { recursive: true, force: true });
        resolve({ code, output });
      });
    });
  };
  return { run, remove: () => rmSync(base, { recursive: true, force: true }) };
};
