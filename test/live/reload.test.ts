import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Reload, type ReloadOutcome, runAgent } from '../../agent/index.ts';
import { compile, parseTemplate, type Rule } from '../../rules/index.ts';
import { createLinuxSensor, openLinuxKernel } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { count } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';
import { liveUnavailable, testCgroup } from '../support/live.ts';
import { policyOf, ruleOf } from '../support/rules.ts';
import { until } from '../support/until.ts';

const skip = liveUnavailable();
const VERSIONS = 3;

/** Forks, execs and opens files that are not there, each with a name of its own; says how many. */
const STORM = `
i=0
while [ ! -e "$0/stop" ]; do
  i=$((i + 1))
  cat "$0/$1-$i" 2> /dev/null
done
echo over $i
`;

const rulesOf = (folder: string, version: number): readonly Rule[] => [
  ruleOf('opened', `evt.type = openat and fd.name startswith ${folder}/ and proc.name in (cat, no${version})`, {
    output: parseTemplate('open %fd.name').template,
  }),
  ruleOf(`never ${version}`, `evt.type = unlinkat and fd.name = ${folder}/${version}`, { priority: 'critical' }),
  ruleOf('executed', `evt.type = execve and evt.failed = false and proc.args startswith ${folder}/`, {
    output: parseTemplate('exec %proc.args').template,
    priority: version === 1 ? 'critical' : 'notice',
  }),
];

/** What an alert says, with whose process it is about. */
interface Seen {
  readonly process: string;
  readonly output: string;
}

/** The most that may be read as unknown, beside three: a page of a new process's arguments that the kernel moves just then can't be read. */
const UNREADABLE_SHARE = 0.0001;

/** Alerts as `exec FILE` or `open FILE`: one whose arguments could not be read names the file that its process opened. */
const named = (seen: readonly Seen[]): { readonly texts: readonly string[]; readonly unreadable: number } => {
  const fileOf = new Map(
    seen.flatMap(({ process, output }) =>
      output.startsWith('open ') ? [[process, output.slice('open '.length)]] : [],
    ),
  );
  const isUnreadable = ({ output }: Seen): boolean => output === 'exec <unknown>';
  return {
    texts: seen.map((alert) => (isUnreadable(alert) ? `exec ${fileOf.get(alert.process)}` : alert.output)),
    unreadable: seen.filter(isUnreadable).length,
  };
};

const openFiles = (): number => readdirSync('/proc/self/fd').length;

describe.skipIf(skip)(`reloads in the running kernel${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('lose no match of a storm and double none, and leave nothing behind', async () => {
    const reloads = count(1000);
    const folder = temporaryFolder();
    const cgroup = testCgroup();
    const kernel = openLinuxKernel({ scope: cgroup.path });
    const versions = Array.from({ length: VERSIONS }, (_, version) => {
      const rules = rulesOf(folder, version);
      return { policies: [policyOf(rules)], compiled: compile(rules, { level: kernel.features.level }) };
    });
    const [first] = versions;
    const outcomes: ReloadOutcome[] = [];
    const opened: number[] = [];
    const seen: Seen[] = [];
    const made = new Map<string, number>();
    const { log } = memoryLog();
    let reload: Reload | undefined;
    const sensor = createLinuxSensor({
      scope: cgroup.path,
      kernel,
      source: async () => {
        for (const name of ['a', 'b', 'c']) {
          const child = cgroup.start('sh', ['-c', STORM, folder, name], { stdio: ['ignore', 'pipe', 'ignore'] });
          child.stdout?.on('data', (text: Buffer) => made.set(name, Number(/over (\d+)/.exec(text.toString())?.[1])));
        }
        for (let version = 1; version <= reloads; version++) {
          const next = versions[version % VERSIONS]!;
          outcomes.push(await reload!(next.policies, next.compiled));
          opened.push(openFiles());
        }
        writeFileSync(join(folder, 'stop'), '');
        await until(() => made.size === 3);
        await delay(100);
      },
    });
    try {
      const summary = await runAgent({
        ...first!,
        sensor,
        host: 'h',
        enforce: false,
        log,
        rings: { events: 16 << 20, critical: 16 << 20 },
        onAlert: ({ output, process: { pid, start } }) => seen.push({ process: `${pid} ${start}`, output }),
        onReloadable: (given) => {
          reload = given;
        },
      });
      expect(outcomes.filter(({ done }) => !done)).toEqual([]);
      expect([...summary.lost, ...summary.missed, ...summary.problems]).toEqual([]);
      const { texts, unreadable } = named(seen);
      expect(texts.filter((text) => !text.includes(`${folder}/`))).toEqual([]);
      expect(unreadable).toBeLessThanOrEqual(3 + UNREADABLE_SHARE * texts.length);
      for (const [name, number] of made) {
        expect(number).toBeGreaterThan(reloads);
        const own = texts.filter((text) => text.includes(`/${name}-`));
        const all = Array.from({ length: number }, (_, index) => `${folder}/${name}-${index + 1}`);
        expect(own).toEqual(all.flatMap((path) => [`exec ${path}`, `open ${path}`]));
      }
      expect(Math.max(...opened.slice(3))).toBeLessThanOrEqual(Math.max(...opened.slice(0, 3)) + 2);
    } finally {
      await cgroup.remove();
      kernel.close();
    }
  }, 3_600_000);
});
