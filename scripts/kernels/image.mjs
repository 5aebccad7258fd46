// Builds what a guest starts with: node and its libraries, the compiled project and suite, packages, busybox for the rest.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createArchive } from './cpio.mjs';

/** busybox's names that the init script and the cases use. */
const APPLETS = ['sh', 'mount', 'ip', 'poweroff', 'cat', 'stty', 'mkdir', 'ls', 'true', 'ln', 'chroot'];
/** Files of packages that nothing runs. */
const UNUSED = /\.(map|md|d\.ts|d\.cts|d\.mts|ts|cc|cpp|h|c|hh|txt)$|^(CHANGELOG|LICENSE)|musl/;

const INIT = `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tracefs tracefs /sys/kernel/tracing
mount -t securityfs securityfs /sys/kernel/security
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
stty -F /dev/ttyS1 raw -echo
cd /app
/bin/node test/live/suite/guest.js /app/guest.json >/dev/ttyS1
echo "the guest's main ended with $?"
poweroff -f
`;

const which = (program) => {
  for (const folder of [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin'])
    if (existsSync(join(folder, program))) return realpathSync(join(folder, program));
  throw new Error(`${program} is missing`);
};

/** The shared libraries of a program, by what its own loader says; none where it is static. */
const librariesOf = (program) => {
  const { stdout } = spawnSync('ldd', [program], { encoding: 'utf8' });
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path]) => path);
};

/** Compiles project and suite into `folder`. */
export const buildApp = (root, folder) => {
  rmSync(folder, { recursive: true, force: true });
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.guest.json', '--outDir', folder], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the suite does not compile:\n${stdout}`);
  for (const data of ['policies/library', 'test/live/behaviours/cases'])
    cpSync(join(root, data), join(folder, data), { recursive: true });
};

/** Names of the packages that the project needs at run time, by package-lock.json: those of this platform that are installed. */
const packages = (root) => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  return Object.entries(lock.packages)
    .filter(([path, { dev, devOptional }]) => path !== '' && !dev && !devOptional && existsSync(join(root, path)))
    .map(([path]) => path);
};

const addFolder = (archive, from, to, isWanted = () => true) => {
  for (const entry of readdirSync(from, { withFileTypes: true, recursive: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(from.length + 1);
    if (entry.isFile() && isWanted(name)) archive.file(`${to}/${name}`, path);
  }
};

/** Writes the initramfs of a guest. `settings` become /app/guest.json, `files` are put where their names say. */
export const buildImage = ({ root, app, output, settings, files = {}, kernel }) => {
  mkdirSync(join(output, '..'), { recursive: true });
  const archive = createArchive(output);
  archive.device('dev/console', 5, 1);
  for (const name of ['proc', 'sys', 'tmp', 'run', 'etc', 'root']) archive.directory(name);
  archive.text('init', INIT, 0o755);
  archive.text('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n');
  const busybox = which('busybox');
  for (const program of [process.execPath, busybox]) {
    archive.file(`bin/${program === busybox ? 'busybox' : 'node'}`, program, 0o755);
    for (const library of librariesOf(program)) archive.file(library.slice(1), realpathSync(library), 0o755);
  }
  for (const applet of APPLETS) archive.link(`bin/${applet}`, 'busybox');
  archive.text('app/package.json', '{"type":"module"}');
  archive.text('app/guest.json', JSON.stringify(settings));
  addFolder(archive, app, 'app', (name) => /\.(js|yaml)$/.test(name));
  for (const path of packages(root))
    addFolder(
      archive,
      join(root, path),
      `app/${path}`,
      (name) => !UNUSED.test(name) && !name.includes('node_modules/'),
    );
  for (const [name, path] of Object.entries(files)) archive.file(name, path, 0o755);
  archive.file(`boot/config-${kernel.release}`, kernel.config);
  archive.close();
};
