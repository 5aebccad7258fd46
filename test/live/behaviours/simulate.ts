import { runAgent } from '../../../agent/index.ts';
import { createMemoryLog } from '../../../agent/memory-log.ts';
import type { Alert } from '../../../alerts/index.ts';
import type { Path, Policy, SourcePlaces } from '../../../policies/index.ts';
import type { Compiled } from '../../../rules/index.ts';
import { createSimSensor, parseScenario, type Scenario } from '../../../sensors/index.ts';
import type { Behaviour } from './behaviour.ts';
import { WORLD_PROGRAMS } from './world.ts';

/** The cgroup that is observed in the simulation. */
const SCOPE = '/behaviours';

/** Bytes of a behaviour's host: enough for the policies' maps and a few dozen processes. */
const MEMORY = 16 * 1024 * 1024;

/** Places of the scenario's steps in the behaviour's file, which lacks the program's start. */
const placesOf = ({ places }: Behaviour): SourcePlaces => {
  const written = (path: Path): Path => {
    const [key, index, ...rest] = path;
    if (key !== 'steps' || typeof index !== 'number') return [];
    return index === 0 ? [] : ['steps', index - 1, ...rest];
  };
  return {
    file: places.file,
    valueAt: (path) => places.valueAt(written(path)),
    keyAt: (path) => places.keyAt(written(path)),
  };
};

/** @throws Error with the diagnostics of a scenario that is not as it should be */
const scenarioOf = (behaviour: Behaviour): Scenario => {
  const { name, description, path, argv, cwd, uid, loginuid, files, copies, programs, modes, remotes } = behaviour;
  const start = {
    exec: { path, argv, cwd, uid, cgroup: `${SCOPE}/${name}`, ...(loginuid !== undefined && { loginuid }) },
    by: 'systemd',
    as: 'main',
  };
  const local = remotes.filter((address) => address.startsWith('127.'));
  const withModes = Object.entries(modes).map(([at, mode]) => [at, { content: '\x7fELF', mode }]);
  const host = {
    files: { ...files, ...Object.fromEntries(withModes) },
    processes: local.length === 0 ? [] : [{ name: 'peer', path: '/srv/peer', listen: local }],
    programs: [...WORLD_PROGRAMS.keys(), ...Object.keys(copies), ...programs.map((program) => program.path)],
    remotes: remotes.filter((address) => !local.includes(address)),
  };
  const data = { name, description, host, steps: [start, ...behaviour.steps] };
  const { scenario, diagnostics } = parseScenario(data, placesOf(behaviour), { form: 'file' });
  if (scenario === undefined || diagnostics.length > 0) throw new Error(JSON.stringify(diagnostics, undefined, 2));
  return scenario;
};

/** What a behaviour came to in the simulation. */
export interface Simulated {
  readonly alerts: readonly Alert[];
  readonly problems: readonly string[];
}

/** Plays a behaviour's scenario on a simulated host, with the policies, and observes its cgroup. */
export const simulate = async (
  behaviour: Behaviour,
  policies: readonly Policy[],
  compiled: Compiled,
): Promise<Simulated> => {
  const sensor = createSimSensor({ scenario: scenarioOf(behaviour), scope: SCOPE, memory: MEMORY });
  const { fs } = sensor.host;
  for (const folder of behaviour.folders) fs.mkdir(folder);
  for (const [path, target] of Object.entries(behaviour.links)) fs.symlink(target, path);
  const alerts: Alert[] = [];
  const { problems } = await runAgent({
    policies,
    compiled,
    sensor,
    host: 'behaviours',
    enforce: false,
    log: createMemoryLog('behaviours'),
    onAlert: (alert) => alerts.push(alert),
  });
  return { alerts, problems };
};
