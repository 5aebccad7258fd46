import { setTimeout as delay } from 'node:timers/promises';
import { type Accounts, createAccounts } from '../accounts.ts';
import { type ContainerSource, staticContainers } from '../containers/index.ts';
import type { Sensor, SensorReport } from '../kernel.ts';
import { createSimHost, POLICY_MEMORY } from './host.ts';
import {
  createPlayer,
  createSurroundings,
  type Scenario,
  type ScenarioObserver,
  type StepOutcome,
} from './scenario/index.ts';
import type { SimFileSystem, SimHost } from './sim-host.ts';

export interface SimSensorOptions {
  readonly scenario: Scenario;
  /** The same seed gives the same run, byte for byte; default 1. */
  readonly seed?: number;
  /** The cgroup whose processes are observed, with those below it; created where it is missing; default the whole host. */
  readonly scope?: string;
  /** Memory of the host in bytes; default {@link POLICY_MEMORY}. */
  readonly memory?: number;
  /** Milliseconds of real time before each step, for people who watch; default 0. */
  readonly pace?: number;
  readonly observer?: ScenarioObserver;
  /** Facts of containers; default: what the scenario says of them. */
  readonly containers?: ContainerSource;
}

/** A scenario that is played on a simulated host. */
export interface SimSensor extends Sensor {
  readonly kind: 'sim';
  readonly host: SimHost;
  /** What each step came to, so far. */
  readonly outcomes: readonly StepOutcome[];
}

/** Waits, unless told to stop; false where it was. */
const pause = async (ms: number, signal: AbortSignal): Promise<boolean> => {
  if (signal.aborted) return false;
  if (ms <= 0) return true;
  try {
    await delay(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
};

/** Names as the simulated host's files have them, which are looked at each time. */
export const simAccounts = ({ fs }: Pick<SimHost, 'fs'>): Accounts => {
  const read = (path: string): string | undefined => (fs.exists(path) ? fs.read(path) : undefined);
  return createAccounts({ version: read, read: (path) => fs.read(path) }, 0);
};

/** The addresses that the simulated host's /etc/hosts has for a name (hosts(5)); there are no name servers. */
const addressesIn = (fs: SimFileSystem, name: string): readonly string[] =>
  (fs.exists('/etc/hosts') ? fs.read('/etc/hosts') : '').split('\n').flatMap((line) => {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
    return names.includes(name) ? [address] : [];
  });

/** A sensor that plays a scenario on a new simulated host. @throws Error for a scenario that no host can be set up for */
export const createSimSensor = ({
  scenario,
  seed = 1,
  scope = '/',
  memory = POLICY_MEMORY,
  pace = 0,
  observer,
  containers = staticContainers(new Map(scenario.host.containers.map((facts) => [facts.id, facts]))),
}: SimSensorOptions): SimSensor => {
  const host = createSimHost({ seed, cgroups: [scope], memory });
  const surroundings = createSurroundings(host);
  const player = createPlayer(host, scenario, observer, surroundings);
  const before = host.calls;
  const run = async (pump: () => void, signal: AbortSignal): Promise<SensorReport> => {
    for (const step of scenario.steps) {
      if (!(await pause(pace, signal))) break;
      player.play(step);
      if (surroundings.hangs) continue;
      pump();
      surroundings.catchUp();
    }
    pump();
    return { calls: host.calls - before, problems: player.problems };
  };
  return {
    kind: 'sim',
    accounts: simAccounts(host),
    resolve: (name) => addressesIn(host.fs, name),
    kernel: host.kernel,
    clock: surroundings.clock,
    enforcement: surroundings.enforcement,
    scope,
    host,
    outcomes: player.outcomes,
    run,
    containers,
  };
};
