import {
  describe,
  formatPath,
  near,
  type Path,
  type SourcePlaces,
  schemaDiagnostics,
} from '../../../policies/index.ts';
import { type Diagnostic, nearest, type Position } from '../../../rules/index.ts';
import { createKnownNames } from './known-names.ts';
import { scenarioDiagnostic } from './messages.ts';
import { readStep } from './read-step.ts';
import type { Endpoint, Scenario, ScenarioHost, ScenarioProcess, Step } from './scenario.ts';
import { type HostDocument, InlineSchema, ScenarioSchema } from './schema.ts';
import { parseEndpoint, parseMode } from './values.ts';

/** What reading a scenario came to; it is there when no diagnostic is an error. */
export interface ScenarioResult {
  readonly scenario: Scenario | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

type Report = (...found: readonly Diagnostic[]) => void;
type Mapping = Readonly<Record<string, unknown>>;

const FILE_MODE = 0o644;
const INLINE_EXPECTED = 'a list of steps, or a mapping with steps';
const FILE_EXPECTED = 'a scenario: a mapping with name and steps';

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A list of steps as the mapping that it stands for. */
const asMapping = (data: unknown, places: SourcePlaces): { readonly data: unknown; readonly places: SourcePlaces } => {
  if (!Array.isArray(data)) return { data, places };
  const inList = (path: Path): Path => path.slice(path[0] === 'steps' ? 1 : 0);
  return {
    data: { steps: data },
    places: {
      file: places.file,
      valueAt: (path) => places.valueAt(inList(path)),
      keyAt: (path) => places.keyAt(inList(path)),
    },
  };
};

const endpointOf = (text: string): Endpoint => parseEndpoint(text) ?? { address: '0.0.0.0', port: 0 };

const processOf = (declared: NonNullable<HostDocument['processes']>[number], position: Position): ScenarioProcess => {
  const { name, path, argv, env, parent, listen, uid, gid, groups, loginuid, cwd, cgroup, tty } = declared;
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
  };
};

const hostOf = (host: HostDocument, base: Path, places: SourcePlaces): ScenarioHost => ({
  files: Object.entries(host.files ?? {}).map(([path, { content, mode, uid, gid }]) => ({
    path,
    content: content ?? '',
    mode: parseMode(mode) ?? FILE_MODE,
    uid: uid ?? 0,
    gid: gid ?? uid ?? 0,
  })),
  programs: host.programs ?? [],
  processes: (host.processes ?? []).map((declared, index) =>
    processOf(declared, places.valueAt([...base, 'processes', index])),
  ),
  remotes: (host.remotes ?? []).map(({ address, reply }) => ({ ...endpointOf(address), reply: reply ?? '' })),
  incoming: (host.incoming ?? []).map(({ from, port, data }, index) => ({
    from: endpointOf(from),
    port,
    data: data ?? '',
    position: places.valueAt([...base, 'incoming', index]),
  })),
});

/** What the schema can't say of a host. */
const checkHost = (host: ScenarioHost, base: Path, places: SourcePlaces, report: Report): void => {
  for (const { path } of host.files) {
    if (path.startsWith('/')) continue;
    const at: Path = [...base, 'files', path];
    const detail = { where: `The path "${path}"`, found: 'relative', expected: `an absolute one such as "/${path}"` };
    report(scenarioDiagnostic('wrong-value', places.keyAt(at), formatPath(at), detail));
  }
  const seen = new Map<string, Position>();
  for (const [index, { name, parent, position }] of host.processes.entries()) {
    const at: Path = [...base, 'processes', index];
    const before = seen.get(name);
    if (before !== undefined) {
      const detail = { process: name, line: before.line, expected: 'another name' };
      report(scenarioDiagnostic('duplicate-process', position, formatPath([...at, 'name']), detail));
    }
    if (parent !== undefined && parent !== 'systemd' && !seen.has(parent)) {
      const known = ['systemd', ...seen.keys()];
      const detail = { process: parent, expected: `one of ${known.join(', ')}`, ...near(nearest(parent, known)) };
      const place: Path = [...at, 'parent'];
      report(scenarioDiagnostic('unknown-process', places.valueAt(place), formatPath(place), detail));
    }
    seen.set(name, position);
  }
  for (const [index, { port, position }] of host.incoming.entries()) {
    if (host.processes.some(({ listen }) => listen.some((endpoint) => endpoint.port === port))) continue;
    const field = formatPath([...base, 'incoming', index, 'port']);
    report(scenarioDiagnostic('nobody-listens', position, field, { port, expected: 'a process that listens there' }));
  }
};

/** The names of declared processes, also where something else about them is wrong. */
const declaredNames = (host: unknown): readonly string[] => {
  const processes = isMapping(host) ? host.processes : undefined;
  if (!Array.isArray(processes)) return [];
  return processes.flatMap((process: unknown) =>
    isMapping(process) && typeof process.name === 'string' ? [process.name] : [],
  );
};

/** How a scenario is written, and where it is to happen. */
export interface ScenarioForm {
  readonly form?: 'inline' | 'file';
  /** The control group that the usual processes are in; default those of a login. */
  readonly cgroup?: string;
}

/**
 * Reads a scenario: `file` is a document of its own with name, host and steps, `inline` a policy test's list of steps or mapping
 * with steps. Never throws; every mistake has its place.
 */
export const parseScenario = (
  written: unknown,
  source: SourcePlaces,
  { form = 'inline', cgroup }: ScenarioForm = {},
): ScenarioResult => {
  const { data, places } = form === 'inline' ? asMapping(written, source) : { data: written, places: source };
  const diagnostics: Diagnostic[] = [];
  const report: Report = (...found) => void diagnostics.push(...found);
  if (!isMapping(data)) {
    const expected = form === 'inline' ? INLINE_EXPECTED : FILE_EXPECTED;
    report(scenarioDiagnostic('not-a-scenario', places.valueAt([]), undefined, { found: describe(data), expected }));
    return { scenario: undefined, diagnostics };
  }
  const schema = form === 'inline' ? InlineSchema : ScenarioSchema;
  const base: Path = form === 'inline' ? [] : ['host'];
  const checked = schema.safeParse(data);
  if (!checked.success) {
    const document = { ...places, data };
    report(...schemaDiagnostics(checked.error.issues, { document, schema, base: [], unknownKeys: 'error' }));
  }
  const parsed = checked.success ? (checked.data as HostDocument & { readonly host?: HostDocument }) : undefined;
  const host = hostOf((form === 'inline' ? parsed : parsed?.host) ?? {}, base, places);
  checkHost(host, base, places, report);
  const names = createKnownNames(declaredNames(form === 'inline' ? data : data.host));
  const context = { places, names, report };
  const steps = (Array.isArray(data.steps) ? data.steps : []).flatMap((step: unknown, index): readonly Step[] => {
    const read = readStep(step, index + 1, ['steps', index], context);
    return read === undefined ? [] : [read];
  });
  const inOrder = diagnostics.toSorted((one, other) => one.line - other.line || one.column - other.column);
  if (inOrder.some(({ severity }) => severity === 'error')) return { scenario: undefined, diagnostics: inOrder };
  const { name, description } = data;
  return {
    scenario: {
      name: typeof name === 'string' ? name : '',
      description: typeof description === 'string' ? description : '',
      file: places.file,
      host,
      steps,
      cgroup,
      provides: form === 'inline',
    },
    diagnostics: inOrder,
  };
};
