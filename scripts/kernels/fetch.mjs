// Fetches kernels of Debian's: with sources, lists, cache and state of apt's own below a folder, so that the system's stay as they are.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const MIRROR = 'http://deb.debian.org';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const SUITES = [
  [`${MIRROR}/debian`, 'bookworm'],
  [`${MIRROR}/debian-security`, 'bookworm-security'],
  [`${MIRROR}/debian`, 'bookworm-backports'],
];
const PACKAGE = 'linux-image-cloud-amd64';
/** A module that does nothing until it is used, and that can be removed; compressed in newer packages. */
const MODULE = /\/net\/dummy\.ko(\.xz)?$/;
const LIMIT_MS = 180_000;

/** Runs a command; returns its output, or throws what it said last. */
const run = (command, args, options = {}) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: LIMIT_MS,
    maxBuffer: 1 << 26,
    ...options,
  });
  if (status === 0) return stdout;
  if (error?.code === 'ENOENT') throw new Error(`this system has no ${command}`);
  const words = (stderr ?? '').trim().split('\n').slice(-3).join(' ');
  throw new Error(`${command} ${args.at(-1)}: ${error?.message ?? (words || `exit ${status}`)}`);
};

/** Options that keep apt to a folder. */
const aptOptions = (folder) => {
  for (const name of [
    'lists/partial',
    'cache/archives/partial',
    'etc/apt.conf.d',
    'etc/preferences.d',
    'etc/trusted.gpg.d',
  ])
    mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, 'status'), '', { flag: 'a' });
  const lines = SUITES.map(([url, suite]) => `deb [arch=amd64 signed-by=${KEYRING}] ${url} ${suite} main\n`);
  writeFileSync(join(folder, 'sources.list'), lines.join(''));
  const settings = {
    'Dir::Etc': join(folder, 'etc'),
    'Dir::Etc::sourcelist': join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': '/dev/null',
    'Dir::State': folder,
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'APT::Architecture': 'amd64',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
    'Acquire::http::Timeout': '30',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
};

/** The newest package of each series (`6.1`): `linux-image-6.1.0-50-cloud-amd64=6.1.176-1`, by what the metapackage depends on. */
const packagesOf = (text, series) => {
  const depends = [...text.matchAll(/^Depends: (linux-image-\S+) \(= (\S+)\)/gm)];
  const found = depends.filter(([, name]) => name.startsWith(`linux-image-${series}.`));
  if (found.length === 0)
    throw new Error(
      `Debian has no kernel ${series} any more (${PACKAGE} of ${SUITES.map(([, suite]) => suite).join(', ')})`,
    );
  const newest = found
    .map(([, name, version]) => ({ name, version }))
    .sort((one, other) => compare(other.version, one.version));
  return newest[0];
};

const compare = (one, other) => one.localeCompare(other, 'en', { numeric: true });

/** What was unpacked before: release, kernel, configuration and a module. */
const unpacked = (folder) => {
  const file = join(folder, 'kernel.json');
  if (!existsSync(file)) return undefined;
  const kernel = JSON.parse(readFileSync(file, 'utf8'));
  return existsSync(kernel.image) && existsSync(kernel.module ?? '') ? kernel : undefined;
};

const unpack = (folder, options, { name, version }) => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  run('apt-get', [...options, '-q', 'download', `${name}=${version}`], { cwd: folder });
  const deb = readdirSync(folder).find((file) => file.endsWith('.deb'));
  if (deb === undefined) throw new Error(`apt-get download brought no ${name}`);
  const root = join(folder, 'root');
  run('dpkg', ['-x', join(folder, deb), root]);
  rmSync(join(folder, deb));
  const modules = join(root, 'lib/modules');
  const dummy = readdirSync(modules, { recursive: true }).find((file) => MODULE.test(file));
  if (dummy === undefined) throw new Error(`${name} has no module dummy`);
  copyFileSync(join(modules, dummy), join(folder, 'module.ko'));
  rmSync(join(root, 'lib'), { recursive: true, force: true });
  const release = name.slice('linux-image-'.length);
  const kernel = {
    release,
    version,
    image: join(root, 'boot', `vmlinuz-${release}`),
    config: join(root, 'boot', `config-${release}`),
    module: join(folder, 'module.ko'),
  };
  if (!existsSync(kernel.image)) throw new Error(`${name} has no boot/vmlinuz-${release}`);
  writeFileSync(join(folder, 'kernel.json'), JSON.stringify(kernel));
  return kernel;
};

/**
 * Kernels of Debian's by series, fetched once and kept in `folder`.
 * @returns {{release: string, version: string, image: string, config: string, module: string}[]} in the order asked for
 * @throws Error with the reason where one can't be had
 */
export const fetchKernels = (folder, wanted, say) => {
  const missing = wanted.filter((series) => unpacked(join(folder, series)) === undefined);
  if (missing.length > 0) {
    say(`fetching Debian's kernels ${missing.join(' and ')}`);
    const options = aptOptions(join(folder, 'apt'));
    run('apt-get', [...options, '-q', 'update']);
    const known = run('apt-cache', [...options, 'show', PACKAGE]);
    for (const series of missing) unpack(join(folder, series), options, packagesOf(known, series));
  }
  return wanted.map((series) => unpacked(join(folder, series)));
};
