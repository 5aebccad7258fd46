import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CONFIG, compile, fanotifyTask, SWITCH } from '../../rules/index.ts';
import { type Answered, openLinuxKernel, probeKernel } from '../../sensors/index.ts';
import { at } from '../support/cli.ts';
import { suiteSize } from '../support/counts.ts';
import { temporaryFolder } from '../support/folder.ts';
import { GATE_ATTEMPTS, GATE_STEPS, GATE_TIERS, gatePolicies } from '../support/gate-story.ts';
import { liveUnavailable, type Ran, type TestCgroup, testCgroup } from '../support/live.ts';
import { ruleOf } from '../support/rules.ts';
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

  if (suiteSize !== 'quick')
    it(
      'lets everything through while nobody answers, and has another one answer soon',
      async () => {
        await withAgent(async ({ inside, process: agent, stderr }) => {
          const responder = (): number | undefined =>
            readFileSync(`/proc/${agent.pid}/task/${agent.pid}/children`, 'utf8')
              .split(' ')
              .map(Number)
              .find((pid) => pid > 0 && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('responder'));
          const denies = async (): Promise<boolean> => (await inside('cat FOLDER/secret')).code !== 0;
          expect(await denies()).toBe(true);
          process.kill(responder() ?? 0, 'SIGKILL');
          await until(() => stderr().includes('has ended'), LIMIT_MS);
          expect(await denies()).toBe(false);
          await until(denies, LIMIT_MS);
          process.kill(responder() ?? 0, 'SIGSTOP');
          expect(await denies()).toBe(false);
          await until(denies, LIMIT_MS);
        });
      },
      LIMIT_MS,
    );

  it(
    'has a watchdog that lets a call through when its answer takes too long',
    async () => {
      const cgroup = testCgroup();
      const folder = temporaryFolder();
      const processes: ChildProcess[] = [];
      const kernel = openLinuxKernel({
        scope: cgroup.path,
        gate: {
          holdMs: 800,
          limitMs: 150,
          start: (command, args, fds) => {
            const setUp = 'mount -t tmpfs shrike-test "$0" && echo secret > "$0/secret" && exec "$@"';
            const inNamespace = ['--mount', '--propagation', 'private', 'sh', '-c', setUp, folder, command, ...args];
            const child = spawn('unshare', inNamespace, { stdio: ['pipe', 'pipe', 'pipe', ...fds] });
            processes.push(child);
            return child;
          },
        },
      });
      const rule = ruleOf('denies', `evt.type in (open, openat, openat2) and fd.name = ${folder}/secret`, {
        action: 'deny',
        mode: 'enforce',
        scope: { cgroup: cgroup.path },
      });
      const compiled = compile([rule], { level: kernel.features.level, hooks: kernel.features.hooks });
      const maps = new Map(compiled.object.maps.map((spec) => [spec.name, kernel.createMap(spec)]));
      const config = new Uint8Array(CONFIG.size);
      new DataView(config.buffer).setUint32(CONFIG.enforce, SWITCH.on, true);
      expect(maps.get('config')?.update(new Uint8Array(4), config)).toBe(0);
      const answers: Answered[] = [];
      const gate = await kernel.openGate?.({
        mounts: [folder],
        scope: cgroup.path,
        task: fanotifyTask(compiled).task,
        maps,
        onAnswered: (answered) => answers.push(answered),
        onProblem: (sentence) => expect.fail(sentence),
        onEnd: (reason) => expect.fail(reason),
      });
      try {
        const where = ['-m', '-t', String(processes[0]?.pid), 'cat', `${folder}/secret`];
        expect(await cgroup.run('nsenter', where)).toMatchObject({ code: 0, stdout: 'secret\n' });
        await until(() => answers.length > 0, LIMIT_MS);
        expect(answers).toMatchObject([{ late: true, answer: { certain: [0], denied: true } }]);
      } finally {
        await gate?.close();
        kernel.close();
        await cgroup.remove();
      }
    },
    LIMIT_MS,
  );

  it('says what is wrong where files can not be asked about', async () => {
    const cgroup = testCgroup();
    const kernel = openLinuxKernel({ scope: cgroup.path });
    const open = (mount: string) =>
      kernel.openGate?.({
        mounts: [mount],
        scope: cgroup.path,
        task: fanotifyTask(compile([], { level: kernel.features.level })).task,
        maps: new Map(),
        onAnswered: () => undefined,
        onProblem: () => undefined,
        onEnd: () => undefined,
      });
    try {
      await expect(open('/no/such/file')).rejects.toThrow("/no/such/file can't be watched by fanotify (ENOENT)");
      await expect(open('/proc/self')).rejects.toThrow(
        "/proc/self can't be watched by fanotify: it lies on a file system of the type proc, where answers are looked up",
      );
    } finally {
      kernel.close();
      await cgroup.remove();
    }
  });
});
