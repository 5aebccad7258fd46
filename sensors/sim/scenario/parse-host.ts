import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { formatPath, near, type Path, type SourcePlaces } from '../../../policies/index.ts';
import { type Diagnostic, nearest, type Position } from '../../../rules/index.ts';
import { type ContainerFacts, containersInCgroup, imageOf } from '../../containers/index.ts';
import { scenarioDiagnostic } from './messages.ts';
import type { Endpoint, ScenarioFile, ScenarioHost, ScenarioProcess } from './scenario.ts';
import { ContainerSchema, FileSchema, IncomingSchema, ProcessSchema, RemoteSchema } from './schema.ts';
import { parseEndpoint, parseMode } from './values.ts';

export type Report = (...found: readonly Diagnostic[]) => void;
export type Mapping = Readonly<Record<string, unknown>>;

const FILE_MODE = 0o644;

export const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const endpointOf = (text: string): Endpoint => parseEndpoint(text) ?? { address: '0.0.0.0', port: 0 };

/** What of a written value is right; the schema of the whole document reports the rest. */
const sound = <Schema extends z.ZodType>(schema: Schema, value: unknown): readonly z.infer<Schema>[] => {
  const { success, data } = schema.safeParse(value);
  return success ? [data] : [];
};

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const ID_DIGITS = 64;

/** The cgroup of a container that says none: an id that only its name decides. */
const ownCgroup = (name: string): string =>
  `/docker/${createHash('sha256').update(name).digest('hex').slice(0, ID_DIGITS)}`;

/** Cgroups of declared containers by name. */
const cgroupsOf = (host: Mapping): ReadonlyMap<string, string> =>
  new Map(
    listOf(host.containers)
      .flatMap((written) => sound(ContainerSchema, written))
      .map(({ name, cgroup = ownCgroup(name) }) => [name, cgroup]),
  );

const processOf = (
  declared: z.infer<typeof ProcessSchema>,
  position: Position,
  cgroups: ReadonlyMap<string, string>,
): ScenarioProcess => {
  const { name, path, argv, env, parent, listen, uid, gid, groups, loginuid, cwd, tty, capabilities, vpid } = declared;
  const cgroup = declared.cgroup ?? cgroups.get(declared.container ?? '');
  return {
    name,
    path,
    argv: argv?.map(String),
    env,
    parent,
    listen: (listen ?? []).map(endpointOf),
    position,
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(groups === undefined ? {} : { groups }),
    ...(loginuid === undefined ? {} : { loginuid }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(cgroup === undefined ? {} : { cgroup }),
    ...(tty === undefined ? {} : { tty }),
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(vpid === undefined ? {} : { vpid }),
  };
};

const filesOf = (files: unknown): readonly ScenarioFile[] =>
  Object.entries(isMapping(files) ? files : {}).flatMap(([path, written]) =>
    sound(FileSchema, written).map(({ content, mode, uid, gid, layer }) => ({
      path,
      content: content ?? '',
      mode: parseMode(mode) ?? FILE_MODE,
      uid: uid ?? 0,
      gid: gid ?? uid ?? 0,
      ...(layer && { layer }),
    })),
  );

const containerOf = (declared: z.infer<typeof ContainerSchema>): readonly ContainerFacts[] => {
  const { name, cgroup = ownCgroup(name), image, privileged = false, labels = {}, mounts = [], ip, pod } = declared;
  const found = containersInCgroup(cgroup).at(-1);
  if (found === undefined) return [];
  return [
    {
      id: found.id,
      runtime: found.runtime ?? 'cri',
      name,
      image: image === undefined ? null : imageOf(image),
      labels,
      privileged,
      mounts: mounts.map(({ writable = true, ...paths }) => ({
        ...paths,
        mode: '',
        writable,
        propagation: 'rprivate',
      })),
      startNs: null,
      ...(ip !== undefined && { ip }),
      ...(pod && { pod: { ...pod, uid: pod.uid ?? found.podUid ?? '', labels: pod.labels ?? {} } }),
    },
  ];
};

/** What a host is before anything happens, from its written parts that are right. */
export const hostOf = (host: Mapping, base: Path, places: SourcePlaces): ScenarioHost => {
  const cgroups = cgroupsOf(host);
  return {
    files: filesOf(host.files),
    overlays: listOf(host.overlays).filter((path) => typeof path === 'string'),
    programs: listOf(host.programs).filter((program) => typeof program === 'string'),
    processes: listOf(host.processes).flatMap((written, index) =>
      sound(ProcessSchema, written).map((declared) =>
        processOf(declared, places.valueAt([...base, 'processes', index]), cgroups),
      ),
    ),
    remotes: listOf(host.remotes).flatMap((written) =>
      sound(RemoteSchema, written).map(({ address, reply }) => ({ ...endpointOf(address), reply: reply ?? '' })),
    ),
    incoming: listOf(host.incoming).flatMap((written, index) =>
      sound(IncomingSchema, written).map(({ from, port, data }) => ({
        from: endpointOf(from),
        port,
        data: data ?? '',
        position: places.valueAt([...base, 'incoming', index]),
      })),
    ),
    containers: listOf(host.containers).flatMap((written) => sound(ContainerSchema, written).flatMap(containerOf)),
  };
};

/** The names of declared processes, also where something else about them is wrong. */
export const declaredNames = (host: Mapping): readonly (string | undefined)[] =>
  listOf(host.processes).map((process) =>
    isMapping(process) && typeof process.name === 'string' ? process.name : undefined,
  );

/** Checks processes against one another. */
export const checkProcesses = (written: Mapping, base: Path, places: SourcePlaces, report: Report): void => {
  const seen = new Map<string, Position>();
  const names = declaredNames(written);
  const containers = cgroupsOf(written);
  for (const [index, process] of listOf(written.processes).entries()) {
    const at: Path = [...base, 'processes', index];
    const name = names[index];
    const parent = isMapping(process) ? process.parent : undefined;
    if (typeof parent === 'string' && parent !== 'systemd' && !seen.has(parent)) {
      const known = ['systemd', ...seen.keys()];
      const detail = { process: parent, expected: `one of ${known.join(', ')}`, ...near(nearest(parent, known)) };
      const place: Path = [...at, 'parent'];
      report(scenarioDiagnostic('unknown-process', places.valueAt(place), formatPath(place), detail));
    }
    const container = isMapping(process) ? process.container : undefined;
    if (typeof container === 'string' && !containers.has(container)) {
      const known = [...containers.keys()];
      const expected = known.length === 0 ? 'host.containers with that name' : `one of ${known.join(', ')}`;
      const detail = { noun: 'container', name: container, expected, ...near(nearest(container, known)) };
      const place: Path = [...at, 'container'];
      report(scenarioDiagnostic('not-in-host', places.valueAt(place), formatPath(place), detail));
    }
    if (name === undefined) continue;
    const before = seen.get(name);
    if (before !== undefined) {
      const detail = { process: name, line: before.line, expected: 'another name' };
      const place: Path = [...at, 'name'];
      report(scenarioDiagnostic('duplicate-process', places.valueAt(place), formatPath(place), detail));
    }
    seen.set(name, places.valueAt(at));
  }
};

/** What the schema can't say of the rest of a host. */
export const checkHost = (host: ScenarioHost, base: Path, places: SourcePlaces, report: Report): void => {
  for (const { path } of host.files) {
    if (path.startsWith('/')) continue;
    const at: Path = [...base, 'files', path];
    const detail = { where: `The path "${path}"`, found: 'relative', expected: `an absolute one such as "/${path}"` };
    report(scenarioDiagnostic('wrong-value', places.keyAt(at), formatPath(at), detail));
  }
  for (const [index, { port, position }] of host.incoming.entries()) {
    if (host.processes.some(({ listen }) => listen.some((endpoint) => endpoint.port === port))) continue;
    const field = formatPath([...base, 'incoming', index, 'port']);
    report(scenarioDiagnostic('nobody-listens', position, field, { port, expected: 'a process that listens there' }));
  }
};
