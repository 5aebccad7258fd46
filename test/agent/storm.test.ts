import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type AgentOptions, runAgent } from '../../agent/index.ts';
import { compile } from '../../rules/index.ts';
import { createLinuxSensor, type KernelMap, openLinuxKernel, type ProcessTable } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { count } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';
import { liveUnavailable, testCgroup } from '../support/live.ts';
import { policyOf, ruleOf } from '../support/rules.ts';
import { until } from '../support/until.ts';

const skip = liveUnavailable();

/**
 * Forks and execs as fast as it goes for a while: what ends at once, what execs twice, what forks without exec, orphans that get another parent. Some stay: of
 * each kind one a round.
 */
const STORM = `
i=0
while [ ! -e "$0" ]; do
  /bin/true &
  sh -c 'exec sh -c "exec sleep 0.00$(( $0 % 7 ))"' $i &
  ( : & : ; true ) &
  ( sh -c 'sleep 0.01 & exec true' & )
  i=$((i + 1))
  [ $((i % 8)) -eq 0 ] && wait
  if [ $((i % 16)) -eq 0 ]; then
    ( sleep 1000 & )
    ( sh -c 'exec sleep 1001' & )
    ( ( sh -c 'kill -STOP $PPID'; : ) & )
  fi
done
wait
sleep 0.2
echo over $i
exec sleep 1002
`;

const QUIET_MS = 60;

/** Pid, executable and arguments of what is in a cgroup, by /proc. */
const truth = (folder: string) =>
  readFileSync(`${folder}/cgroup.procs`, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((pid) => {
      const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
      return { pid: Number(pid), exepath: readlinkSync(`/proc/${pid}/exe`), argv };
    })
    .sort((one, other) => one.pid - other.pid);

/** The same, nothing where one ended while it was read. */
const stillThere = (folder: string): ReturnType<typeof truth> => {
  try {
    return truth(folder);
  } catch {
    return [];
  }
};

/** Waits until a cgroup's shell has become its last program and nothing has changed for a while. */
const settled = async (folder: string, pid: number | undefined): Promise<void> => {
  let before = '';
  await until(async () => {
    await delay(QUIET_MS);
    const now = stillThere(folder);
    const same = before === JSON.stringify(now);
    before = JSON.stringify(now);
    return same && now.some((process) => process.pid === pid && process.argv[0] === 'sleep');
  });
};

const RULES = [ruleOf('none', 'evt.type = execve and proc.pname = nobody')];
const compiled = compile(RULES, { level: '6.1' });

/** One agent that starts in the middle of a storm: what it knows when the storm is over, and what there is. */
const round = async (delayMs: number, rings?: AgentOptions['rings']) => {
  const cgroup = testCgroup();
  const kernel = openLinuxKernel({ scope: cgroup.path });
  let processes: KernelMap | undefined;
  let table: ProcessTable | undefined;
  let said = '';
  const stop = join(temporaryFolder(), 'stop');
  const child = cgroup.start('sh', ['-c', STORM, stop], { stdio: ['ignore', 'pipe', 'ignore'] });
  child.stdout?.on('data', (text: Buffer) => {
    said += text.toString();
  });
  await delay(delayMs);
  const sensor = createLinuxSensor({
    scope: cgroup.path,
    kernel: {
      ...kernel,
      createMap: (spec) => {
        const map = kernel.createMap(spec);
        if (spec.name === 'processes') processes = map;
        return map;
      },
    },
    source: async () => {
      await delay(100);
      writeFileSync(stop, '');
      await until(() => said.includes('over'));
      await settled(cgroup.folder, child.pid);
    },
  });
  try {
    const { log } = memoryLog();
    const summary = await runAgent({
      policies: [policyOf(RULES)],
      compiled,
      sensor,
      host: 'h',
      enforce: false,
      ...(rings && { rings }),
      log,
      onRecord: (_, known) => {
        table = known;
      },
    });
    const there = kernel.processes(cgroup.path);
    const known = there.map(({ pid, start }) => table?.get(pid, start));
    const keys = [...(processes?.keys() ?? [])].map((key) => {
      const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
      return `${view.getUint32(0, true)} ${view.getBigUint64(8, true)}`;
    });
    return { summary, there, known, alive: table?.size, keys, proc: truth(cgroup.folder) };
  } finally {
    await cgroup.remove();
    kernel.close();
  }
};

const isRight = ({ there, known, alive, keys, proc }: Awaited<ReturnType<typeof round>>): void => {
  expect(known.map((process) => process && { pid: process.pid, exepath: process.exepath, argv: process.argv })).toEqual(
    proc,
  );
  expect(known.map((process) => process?.alive)).toEqual(there.map(() => true));
  expect(alive).toBe(there.length);
  expect(keys.sort()).toEqual(there.map(({ pid, start }) => `${pid} ${start}`).sort());
};

describe.skipIf(skip)(
  `an agent that starts in the middle of a storm of processes${skip ? ` (skipped: ${skip})` : ''}`,
  () => {
    it('knows every process that is left as it is, and none that has ended', async () => {
      for (let index = 0; index < count(100); index++) {
        const result = await round((index * 37) % 400);
        expect(result.summary.lost).toEqual(new Map());
        isRight(result);
      }
    }, 600_000);

    it('does so where most records are lost, since it looks again', async () => {
      for (let index = 0; index < count(40); index++) {
        const result = await round((index * 53) % 400, { critical: 4096, events: 4096 });
        expect(result.summary.lost.size).toBeGreaterThan(0);
        isRight(result);
      }
    }, 600_000);
  },
);
