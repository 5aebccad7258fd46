import { type MapSpec, type ProgramSpec, parseSection } from '../../engine/object/index.ts';
import type { Kernel, KernelFeatures, KernelMap, Link, LoadedProgram, ProgramStats } from '../kernel.ts';
import { kernelBtf } from './btf.ts';
import { waitForPrograms } from './call.ts';
import { openCgroups } from './cgroups.ts';
import { createClock } from './clock.ts';
import { type GateSettings, openGate } from './fanotify/index.ts';
import { fileId } from './files.ts';
import { killProcess } from './kill.ts';
import { type AttachOptions, createLink, type LinuxLink } from './link.ts';
import { loadProgram } from './load-program.ts';
import { createLinuxMap, type LinuxMap } from './map.ts';
import { ownPid } from './own-pid.ts';
import { openPins } from './pin.ts';
import { probeFeatures } from './probe/index.ts';
import { createProcessReader } from './processes.ts';
import type { LinuxProgram } from './program.ts';
import { mapRingOf, openRingBuffer } from './ring-buffer.ts';
import { openSentinel } from './sentinel/index.ts';
import { openStatistics } from './statistics.ts';
import { openStream, type StreamOptions } from './stream.ts';

/** What programs of cgroups and iterators attach to beside what their section names. */
export interface KernelAttachOptions extends Pick<AttachOptions, 'iterator'> {
  /** Path of the cgroup that a program for cgroups attaches to, `/system.slice`; default the kernel's scope. */
  readonly cgroup?: string;
}

/** The running kernel: what is loaded and attached lives by file descriptors of this process and ends with it. */
export interface LinuxKernel extends Kernel {
  attach(program: LoadedProgram, options?: KernelAttachOptions): Link;
  /** All that bpf(2) offers for a map of this kernel. */
  map(map: KernelMap): LinuxMap;
  /** Runs an attached iterator and gives what it wrote. */
  iterate(link: Link): Uint8Array;
}

export interface LinuxKernelOptions {
  /** The cgroup that is observed: ids of cgroups are looked for below it only. Default `/`. */
  readonly scope?: string;
  /** What the kernel offers, where that is known already. */
  readonly features?: KernelFeatures;
  readonly stream?: Omit<StreamOptions, 'timeAt'>;
  /** A folder on a bpffs in which maps, programs and links are pinned, by name; they outlive this process then. Default: nothing is pinned. */
  readonly pin?: string;
  readonly gate?: GateSettings;
}

const linkPin = ({ program }: Link): string => `link_${program.name}`;

/** Opens the running kernel. @throws Error where there is no bpf(2), no BTF or no cgroup v2 */
export function openLinuxKernel(options: LinuxKernelOptions = {}): LinuxKernel {
  const features = options.features ?? probeFeatures();
  const cgroups = openCgroups(options.scope);
  const btf = kernelBtf();
  const maps = new Map<KernelMap, LinuxMap>();
  const programs = new Map<LoadedProgram, LinuxProgram>();
  const links = new Map<Link, LinuxLink & { readonly options: KernelAttachOptions }>();
  const processes = createProcessReader(cgroups);
  const closers: (() => void)[] = [processes.close, cgroups.close];
  const pins = options.pin === undefined ? undefined : openPins(options.pin);
  let counts = false;

  const mapOf = (map: KernelMap): LinuxMap => {
    const found = maps.get(map);
    if (!found) throw new Error(`map ${map.spec.name} was not created in this kernel`);
    return found;
  };
  const programOf = (program: LoadedProgram): LinuxProgram => {
    const found = programs.get(program);
    if (!found) throw new Error(`program ${program.name} was not loaded into this kernel`);
    return found;
  };
  const linkOf = (link: Link): LinuxLink & { readonly options: KernelAttachOptions } => {
    const found = links.get(link);
    if (!found) throw new Error(`program ${link.program.name} is not attached to ${link.hook} by this link`);
    return found;
  };
  const ringMapOf = (map: KernelMap): LinuxMap => {
    const own = mapOf(map);
    if (own.spec.type === 'ringbuf') return own;
    throw new Error(`map ${map.spec.name} is no ring buffer of this kernel; create one with type ringbuf`);
  };
  const closedWithKernel = <T extends { close(): void }>(one: T): T => {
    closers.push(() => one.close());
    return one;
  };
  const attach = (program: LoadedProgram, attachOptions: KernelAttachOptions = {}): Link => {
    const own = programOf(program);
    const { cgroup = options.scope, iterator } = attachOptions;
    const made = createLink(own.fd, parseSection(program.hook), `program "${program.name}" (${program.hook})`, {
      ...(cgroup !== undefined && { cgroupFolder: cgroups.folder(cgroup) }),
      ...(iterator && { iterator }),
    });
    const link: Link = { hook: program.hook, program };
    links.set(link, { ...made, options: attachOptions });
    pins?.pin(made.fd, linkPin(link));
    return link;
  };
  const detach = (link: Link): void => {
    linkOf(link).close();
    pins?.unpin(linkPin(link));
    links.delete(link);
  };

  return {
    features,
    btf,
    createMap(spec: MapSpec): KernelMap {
      const own = createLinuxMap(spec);
      pins?.pin(own.fd, `map_${spec.name}`);
      const map: KernelMap = {
        spec,
        handle: own.fd,
        lookup(key) {
          const value = own.lookup(key);
          return typeof value === 'number' ? undefined : value;
        },
        update: own.update,
        delete: own.delete,
        keys: own.keys,
      };
      maps.set(map, own);
      return map;
    },
    map: mapOf,
    loadProgram(spec: ProgramSpec<string>, used: ReadonlyMap<string, KernelMap>): LoadedProgram {
      const own = loadProgram(spec, (name) => used.get(name)?.handle, btf);
      pins?.pin(own.fd, `program_${spec.name}`);
      const program: LoadedProgram = { name: spec.name, hook: spec.hook, handle: own.fd, explored: own.verified };
      programs.set(program, own);
      return program;
    },
    attach,
    replace(link, program) {
      const own = linkOf(link);
      if (program.hook !== link.hook)
        throw new Error(`program ${program.name} is for ${program.hook}; it can't replace one of ${link.hook}`);
      if (!own.update(programOf(program).fd)) {
        const next = attach(program, own.options);
        detach(link);
        return next;
      }
      const next: Link = { hook: program.hook, program };
      links.delete(link);
      links.set(next, own);
      return next;
    },
    detach,
    release(unused) {
      for (const program of unused.programs) {
        programOf(program).close();
        programs.delete(program);
      }
      for (const map of unused.maps) {
        mapOf(map).close();
        maps.delete(map);
      }
    },
    openSentinel,
    openGate: (gate) =>
      openGate(
        gate,
        cgroups,
        (name) => {
          const map = gate.maps.get(name);
          return map === undefined ? undefined : mapOf(map);
        },
        options.gate,
      ),
    settle: waitForPrograms,
    enableStatistics() {
      if (!counts) closedWithKernel(openStatistics());
      counts = true;
    },
    iterate: (link) => linkOf(link).read(),
    ringBuffer: (map) => ({ consume: closedWithKernel(openRingBuffer(ringMapOf(map))).consume, lost: 0 }),
    stream: (list, timeAt) =>
      closedWithKernel(openStream(list.map(ringMapOf).map(mapRingOf), { timeAt, ...options.stream })),
    cgroupId: cgroups.id,
    cgroupPath: cgroups.path,
    fileId,
    wallTime: createClock(),
    processes: processes.read,
    ownPid,
    kill: killProcess,
    stats: (): ProgramStats[] => [...programs].map(([{ name, hook }, own]) => ({ program: name, hook, ...own.runs() })),
    close() {
      for (const link of links.values()) link.close();
      for (const close of closers.splice(0)) close();
      for (const one of [...programs.values(), ...maps.values()]) one.close();
      links.clear();
    },
  };
}
