import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import type { BtfType, MapSpec } from '../../../engine/object/index.ts';
import { kernelBtf } from '../btf.ts';
import { closeFd, errnoName } from '../call.ts';
import { BpfError } from '../error.ts';
import { tryGroup } from '../fanotify/index.ts';
import { kernelConfig } from '../kconfig.ts';
import { createLinuxMap } from '../map.ts';
import { type LinuxProgramSpec, loadLinuxProgram, tryLoad } from '../program.ts';
import { openStatistics } from '../statistics.ts';

/** An errno's name, with the verifier's log where one was asked for. */
export interface Refusal {
  readonly errno: string;
  readonly log: string;
}

/** What the probe asks a machine with; nothing of it attaches anything. */
export interface Prober {
  /** The kernel's release, `6.12.9-amd64`. */
  readonly release: string;
  /** The text of a file; undefined where there is none or it can't be read. */
  read(path: string): string | undefined;
  exists(path: string): boolean;
  /** Whether this process may write to what is there, as one must to connect to a socket. */
  mayWrite(path: string): boolean;
  /** `CONFIG_LSM` and so on, where /proc/config.gz or /boot has the kernel's configuration; without CONFIG_ entries where not. */
  config(): Readonly<Record<string, string | number>>;
  /** Id of a function or typedef of the kernel's BTF. @throws Error where the kernel has no BTF */
  btfId(kind: Extract<BtfType['kind'], 'func' | 'typedef'>, name: string): number | undefined;
  /** Loads a program and closes it again. Undefined where it loads; the log is filled in where it is asked for. */
  load(spec: LinuxProgramSpec, log?: 'log'): Refusal | undefined;
  /** Creates a map and closes it again; an errno's name where it is refused. @throws Error where bpf(2) can't be called at all */
  createMap(spec: MapSpec): string | undefined;
  /** Opens a fanotify group that watches nothing, and closes it; an errno's name where it is refused. */
  askFanotify(): string | undefined;
  /** Turns the kernel's statistics on for an instant; an errno's name where it is refused. */
  enableStatistics(): string | undefined;
}

/** The name of the errno that something is refused with, undefined where it isn't. */
const errnoIn = (attempt: () => void): string | undefined => {
  try {
    attempt();
    return undefined;
  } catch (error) {
    if (error instanceof BpfError) return error.errno;
    throw error;
  }
};

/** A file's text, undefined where it can't be read. */
const textOf = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
};

/** The machine this runs on. */
export const createProber = (): Prober => ({
  release: release(),
  read: textOf,
  exists: existsSync,
  mayWrite(path) {
    try {
      accessSync(path, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  },
  config: kernelConfig,
  btfId: (kind, name) => kernelBtf().find(kind, name),
  load(spec, log) {
    const fd = tryLoad(spec);
    if (fd >= 0) {
      closeFd(fd);
      return undefined;
    }
    if (log === undefined) return { errno: errnoName(-fd), log: '' };
    try {
      loadLinuxProgram(spec).close();
      return undefined;
    } catch (error) {
      if (error instanceof BpfError) return { errno: error.errno, log: error.log };
      throw error;
    }
  },
  createMap: (spec) => errnoIn(() => createLinuxMap(spec).close()),
  askFanotify: tryGroup,
  enableStatistics: () => errnoIn(() => openStatistics().close()),
});
