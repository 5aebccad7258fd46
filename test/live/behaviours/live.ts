import { runAgent } from '../../../agent/index.ts';
import { createMemoryLog } from '../../../agent/memory-log.ts';
import type { Alert } from '../../../alerts/index.ts';
import type { Policy } from '../../../policies/index.ts';
import type { Compiled } from '../../../rules/index.ts';
import { createLinuxSensor } from '../../../sensors/index.ts';
import { testCgroup } from '../../support/live.ts';
import type { Behaviour } from './behaviour.ts';
import type { Ended, Sandbox } from './sandbox.ts';

/** What behaviours came to on the running kernel. */
export interface Live {
  readonly ended: ReadonlyMap<string, Ended>;
  /** By behaviour. */
  readonly alerts: ReadonlyMap<string, readonly Alert[]>;
  /** Of processes that are in no behaviour's cgroup. */
  readonly elsewhere: readonly Alert[];
  readonly problems: readonly string[];
  /** Records lost, by hook. */
  readonly lost: ReadonlyMap<string, number>;
}

const keyOf = (pid: number, start: bigint | number): string => `${pid} ${Number(start)}`;

/**
 * Runs behaviours one after the other, each in a cgroup of its own below the one that a single agent observes, and those of `outside` in a
 * cgroup beside it. The policies' rules are compiled for this kernel where they aren't already.
 */
export const runLive = async (
  behaviours: readonly Behaviour[],
  outside: readonly Behaviour[],
  policies: readonly Policy[],
  sandbox: Sandbox,
  compiled?: Compiled,
): Promise<Live> => {
  const scope = testCgroup();
  const beside = testCgroup();
  const cgroups = new Map(behaviours.map((behaviour) => [behaviour, scope.child(behaviour.name)]));
  const names = new Map([...cgroups].map(([{ name }, { id }]) => [id, name]));
  const ended = new Map<string, Ended>();
  const source = async (): Promise<void> => {
    for (const [behaviour, cgroup] of cgroups)
      ended.set(behaviour.name, await sandbox.run(behaviour, `${cgroup.folder}/cgroup.procs`));
    for (const behaviour of outside)
      ended.set(`${behaviour.name} outside`, await sandbox.run(behaviour, `${beside.folder}/cgroup.procs`));
  };
  const cgroupOf = new Map<string, bigint>();
  const alerts = new Map<string, Alert[]>(behaviours.map(({ name }) => [name, []]));
  const elsewhere: Alert[] = [];
  try {
    const { problems, lost } = await runAgent({
      policies,
      ...(compiled && { compiled }),
      sensor: createLinuxSensor({ scope: scope.path, source }),
      host: 'behaviours',
      enforce: false,
      log: createMemoryLog('behaviours'),
      onRecord: ({ pid, start, cgroup }) => void cgroupOf.set(keyOf(pid, start), cgroup),
      onAlert: (alert) => {
        const name = names.get(cgroupOf.get(keyOf(alert.process.pid, alert.process.start)) ?? 0n);
        (alerts.get(name ?? '') ?? elsewhere).push(alert);
      },
    });
    return { ended, alerts, elsewhere, problems, lost };
  } finally {
    await scope.remove();
    await beside.remove();
  }
};
