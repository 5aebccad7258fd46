// Sets up what npm's scripts need: packages, Debian's nats-server (--nats), its clang-19 and llvm-19 (--clang), qemu (--qemu), programs that
// tests run beside those (--live), Go with its checker of transparency logs (--go), Chromium, which opens reports in tests (--browser), what benches
// are compared with (--bench), the compiled programs in dist/ (--build).
// Plain Node without packages, since it runs before they are there. Quiet when nothing is to be done.
import { spawnSync } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const SOURCES = ['engine', 'rules', 'policies', 'sensors', 'alerts', 'agent', 'cli', 'bench'].filter((folder) =>
  existsSync(join(ROOT, folder)),
);
/** Debian's servers are in folders that only root has in PATH. */
const PROGRAM_FOLDERS = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin'];

const say = (sentence) => console.error(`setup: ${sentence}`);

/** Runs a command with its output on stderr, so that stdout stays the program's. */
const run = (command, args, env = {}) =>
  spawnSync(command, args, { cwd: ROOT, stdio: ['ignore', 2, 2], env: { ...process.env, ...env } }).status === 0;

const fail = (sentence) => {
  say(sentence);
  process.exit(1);
};

const mtime = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

const isExecutable = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Whether node_modules has every package that package-lock.json asks for (optional ones depend on the platform). */
const isInstalled = (lockFile, installedFile) => {
  try {
    const wanted = JSON.parse(readFileSync(lockFile, 'utf8')).packages;
    const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
    return Object.entries(wanted).every(
      ([path, entry]) =>
        path === '' || entry.optional || entry.devOptional || installed[path]?.version === entry.version,
    );
  } catch {
    return false;
  }
};

const setUpPackages = () => {
  const lockFile = join(ROOT, 'package-lock.json');
  const installedFile = join(ROOT, 'node_modules/.package-lock.json');
  if (mtime(installedFile) >= mtime(lockFile)) return;
  if (isInstalled(lockFile, installedFile)) {
    utimesSync(installedFile, new Date(), new Date());
    return;
  }
  say('installing npm packages (npm ci)');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
  const done = npm?.endsWith('.js') ? run(process.execPath, [npm, ...args]) : run('npm', args);
  if (!done) fail('npm ci failed; its message above says why. It needs the npm registry once.');
};

const hasPackageLists = () => {
  try {
    return readdirSync('/var/lib/apt/lists').some((name) => name.includes('_Packages'));
  } catch {
    return false;
  }
};

const isOnPath = (program) => PROGRAM_FOLDERS.some((folder) => isExecutable(join(folder, program)));

/** Installs packages of Debian's; returns why it could not. */
const installDebian = (...packages) => {
  if (!isOnPath('apt-get')) return 'this system has no apt-get';
  const sudo = process.getuid() === 0 ? [] : ['sudo', '-n'];
  if (sudo.length > 0 && spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status !== 0) {
    return 'neither root nor sudo without a password is available';
  }
  const apt = (...args) => {
    const [command, ...rest] = [...sudo, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', ...args];
    return run(command, rest);
  };
  const install = () => apt('install', '-y', '--no-install-recommends', ...packages);
  say(`installing Debian's ${packages.join(' and ')}`);
  if (hasPackageLists() && install()) return undefined;
  return apt('update') && install() ? undefined : 'apt-get failed, its message is above';
};

/**
 * Installs packages where one of their programs, or a file that they bring, is missing; returns whether it did. Where it can't, that ends the set-up if
 * the tests need them and CI is set; otherwise a sentence says what goes without them.
 */
const setUpDebian = ({ packages, programs, files = [], without }) => {
  const missing = () => programs.find((program) => !isOnPath(program)) ?? files.find((path) => !existsSync(path));
  if (missing() === undefined) return false;
  const brought = () => (missing() === undefined ? undefined : `the packages brought no ${missing()}`);
  const reason = installDebian(...packages) ?? brought();
  if (reason === undefined) return true;
  const isForTests = without === undefined;
  const skips = process.env.CI ? 'the tests need it where CI is set' : 'the tests that need it are skipped';
  const names = packages.join(' ');
  const sentence = `${programs[0]} is missing and can't be installed (${reason}): ${without ?? skips}; install it with \`apt-get install ${names}\`.`;
  if (process.env.CI && isForTests) fail(sentence);
  say(sentence);
  return false;
};

const setUpNatsServer = () => {
  const isStart = process.env.npm_lifecycle_event === 'prestart';
  const isNew = setUpDebian({
    packages: ['nats-server'],
    programs: ['nats-server'],
    ...(isStart && { without: 'alerts are not published over NATS' }),
  });
  if (isNew && existsSync('/run/systemd/system')) {
    say('the package may have started a server on port 4222; `systemctl disable --now nats-server` stops it');
  }
};

const setUpQemu = () =>
  setUpDebian({ packages: ['qemu-system-x86', 'busybox-static'], programs: ['qemu-system-x86_64', 'busybox'] });

/** The programs that the behaviours of test/live run, and openssl, which makes certificates for tests. */
const setUpLive = () =>
  setUpDebian({
    packages: ['busybox-static', 'iproute2', 'openssl', 'perl', 'python3'],
    programs: ['busybox', 'ip', 'openssl', 'perl', 'python3'],
  });

const setUpClang = () => setUpDebian({ packages: ['clang-19', 'llvm-19'], programs: ['clang-19', 'llvm-objdump-19'] });

const setUpBrowser = () => setUpDebian({ packages: ['chromium'], programs: ['chromium'] });

/** Go, and its own checker of transparency logs. */
const setUpGo = () =>
  setUpDebian({
    packages: ['golang-go', 'golang-golang-x-mod-dev'],
    programs: ['go'],
    files: ['/usr/share/gocode/src/golang.org/x/mod/sumdb/tlog'],
  });

/** The newest change below a folder, folders included, so that a removed file counts as well. */
const newest = (folder) => {
  let latest = mtime(folder);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) latest = Math.max(latest, newest(path));
    else if (entry.name.endsWith('.ts')) latest = Math.max(latest, mtime(path));
  }
  return latest;
};

/** Removes compiled files whose source is gone, which would go on satisfying imports. */
const removeStale = (folder) => {
  const compiled = join(ROOT, 'dist', folder);
  if (!existsSync(compiled)) return;
  for (const entry of readdirSync(compiled, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) removeStale(path);
    else if (
      /\.(js(\.map)?|d\.ts)$/.test(entry.name) &&
      !existsSync(join(ROOT, path.replace(/\.(js(\.map)?|d\.ts)$/, '.ts')))
    ) {
      rmSync(join(ROOT, 'dist', path));
    }
  }
};

const setUpBuild = () => {
  const stamp = join(ROOT, 'dist/.built');
  const inputs = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'].map((name) => mtime(join(ROOT, name)));
  const started = new Date();
  const isFresh = mtime(stamp) >= Math.max(...inputs, ...SOURCES.map((folder) => newest(join(ROOT, folder))));
  if (isFresh) return;
  say('building dist/ (tsc)');
  if (!run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'])) {
    fail('the build failed; the messages above name file and line.');
  }
  for (const folder of SOURCES) removeStale(folder);
  const program = join(ROOT, 'dist/cli/main.js');
  if (existsSync(program)) chmodSync(program, 0o755);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
  utimesSync(stamp, started, started);
};

/** What the live suite is compared with. */
const setUpBench = () => {
  for (const name of ['gcc', 'strace', 'bpftrace'])
    setUpDebian({
      packages: name === 'gcc' ? ['gcc', 'libc6-dev'] : [name],
      programs: [name],
      without: '`npm run bench -- live` is left out',
    });
};

const SET_UP = {
  '--nats': setUpNatsServer,
  '--clang': setUpClang,
  '--qemu': setUpQemu,
  '--live': setUpLive,
  '--go': setUpGo,
  '--browser': setUpBrowser,
  '--bench': setUpBench,
  '--build': setUpBuild,
};

const options = new Set(process.argv.slice(2));
for (const option of options) {
  if (!(option in SET_UP))
    fail(
      `there is no option ${option}; there are --nats, --clang, --qemu, --live, --go, --browser, --bench and --build.`,
    );
}
setUpPackages();
for (const [option, setUp] of Object.entries(SET_UP)) if (options.has(option)) setUp();
