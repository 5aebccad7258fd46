import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { probeKernel } from '../../sensors/index.ts';
import { at } from '../support/cli.ts';
import { temporaryFolder } from '../support/folder.ts';
import { GATE_ATTEMPTS, GATE_STEPS, GATE_TIERS, gatePolicies } from '../support/gate-story.ts';
import { liveUnavailable, type Ran, type TestCgroup, testCgroup } from '../support/live.ts';
import { until } from '../support/until.ts';

const MAIN = at('dist/cli/main.js');
const LIMIT_MS = 120_000;

const why = (): string | undefined => {
  const reason = liveUnavailable();
  if (reason !== undefined) return reason;
  if (!existsSync(MAIN)) return 'it has not been built';
  if (probeKernel().hooks['lsm/file_open'] === undefined) return 'this kernel has LSM hooks, which are stronger';
  const { status } = spawnSync('unshare', ['--mount', 'true'], { stdio: 'ignore' });
  return status === 0 ? undefined : 'there is no mount namespace of its own to be had (unshare)';
};
const skip = why();

interface Entry {
  readonly kind: string;
  readonly body: Readonly<Record<string, unknown>>;
}

interface Agent {
  readonly cgroup: TestCgroup;
  readonly folder: string;
  readonly process: ChildProcess;
  readonly stderr: () => string;
  /** Runs a command where the mount is, in the test's cgroup. */
  inside(script: string): Promise<Ran>;
  /** The same, outside of the cgroup. */
  outside(script: string): { readonly status: number | null; readonly stdout: string };
  entries(): readonly Entry[];
  attempts(): readonly Entry['body'][];
}

/** A tmpfs in a mount namespace of its own, with files, and the agent there, which has fanotify ask about it. */
const withAgent = async (
  work: (agent: Agent) => Promise<void>,
  { policies = gatePolicies, mounts = 1 }: { policies?: typeof gatePolicies; mounts?: 0 | 1 } = {},
): Promise<void> => {
  const cgroup = testCgroup();
  const folder = temporaryFolder();
  const audit = temporaryFolder();
  const policy = join(audit, '..', `${audit.split('/').at(-1)}.yaml`);
  writeFileSync(policy, policies(folder, cgroup.path));
  const setUp =
    'mount -t tmpfs shrike-test "$0" && echo secret > "$0/secret" && echo free > "$0/free" && echo diary > "$0/diary" && cp /bin/true "$0/program" && exec "$@"';
  const options = ['--sensor', 'linux', '--scope', cgroup.path, '--enforce', '--policies', policy, '--audit', audit];
  const mounted = mounts === 0 ? [] : ['--fanotify-mount', folder];
  const command = [process.execPath, MAIN, 'run', ...options, ...mounted, '--json'];
  const child = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', setUp, folder, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (part) => (stdout += part));
  child.stderr.on('data', (part) => (stderr += part));
  const entries = (): readonly Entry[] =>
    readdirSync(audit)
      .filter((name) => name.endsWith('.jsonl'))
      .flatMap((name) => readFileSync(join(audit, name), 'utf8').split('\n'))
      .flatMap((line) => {
        try {
          return [JSON.parse(line) as Entry];
        } catch {
          return [];
        }
      });
  const where = (script: string) => ['-m', '-t', String(child.pid), 'sh', '-c', script.replaceAll('FOLDER', folder)];
  try {
    await until(() => stdout.includes('"start"') || child.exitCode !== null, LIMIT_MS);
    expect(child.exitCode, stderr).toBe(null);
    await work({
      cgroup,
      folder,
      process: child,
      stderr: () => stderr,
      entries,
      attempts: () => entries().flatMap(({ kind, body }) => (kind === 'enforcement' ? [body] : [])),
      inside: (script) => cgroup.run('nsenter', where(script)),
      outside: (script) => spawnSync('nsenter', where(script), { encoding: 'utf8' }),
    });
  } finally {
    child.kill('SIGKILL');
    await ended;
    await cgroup.remove();
  }
};

const commandOf = ({ by, does, file }: (typeof GATE_STEPS)[number]): string =>
  does === 'exec' ? `FOLDER/${file}` : by === 'cat' ? `cat FOLDER/${file}` : `head -c 6 FOLDER/${file}`;

describe.skipIf(skip)(`fanotify in LSM's place${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it(
    'denies opens and execs on the mounts that are named, to tasks of the scope, as rules say',
    async () => {
      await withAgent(async ({ inside, outside, entries, attempts, stderr, folder }) => {
        for (const step of GATE_STEPS) {
          const script = commandOf(step);
          if (!step.inside) expect(outside(script), script).toMatchObject({ status: 0 });
          else {
            const { code, stderr: said } = await inside(script);
            expect(code === 0, `${step.by} ${script}: ${said}`).toBe(!step.denied);
            if (step.denied) expect(said).toContain('Operation not permitted');
          }
        }
        await until(() => attempts().length >= GATE_ATTEMPTS.length, LIMIT_MS);
        expect(attempts().map(({ rule, hook, tier, outcome }) => [rule, hook, tier, outcome])).toEqual(GATE_ATTEMPTS);
        expect(attempts()[0]).toMatchObject({
          arguments: { file: `${folder}/secret` },
          exe: expect.stringMatching(/cat$/),
        });
        expect(entries().find(({ kind }) => kind === 'start')?.body.tiers).toEqual(GATE_TIERS);
        expect(stderr()).toBe('');
        expect(outside('ls -A FOLDER').stdout.split('\n').sort()).toEqual(['', 'diary', 'free', 'program', 'secret']);
      });
    },
    LIMIT_MS,
  );
});
