import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compile } from '../../rules/index.ts';
import { fanotifyRules, type ResponderLine, startResponder } from '../../sensors/linux/fanotify/index.ts';
import { temporaryFolder } from '../support/folder.ts';
import { liveUnavailable, type Ran, type TestCgroup, testCgroup } from '../support/live.ts';
import { ruleOf } from '../support/rules.ts';
import { until } from '../support/until.ts';

const BUILT = fileURLToPath(new URL('../../dist/sensors/linux/fanotify/responder.js', import.meta.url));

const why = (): string | undefined => {
  const reason = liveUnavailable();
  if (reason !== undefined) return reason;
  if (!existsSync(BUILT)) return 'it has not been built';
  const { status } = spawnSync('unshare', ['--mount', 'true'], { stdio: 'ignore' });
  return status === 0 ? undefined : 'there is no mount namespace of its own to be had (unshare)';
};
const skip = why();

interface Watched {
  readonly cgroup: TestCgroup;
  readonly folder: string;
  readonly lines: readonly ResponderLine[];
  readonly responder: ChildProcess;
  /** Runs a command in the test's cgroup, where the tmpfs is. */
  run(script: string): Promise<Ran>;
  /** The same, outside of the cgroup. */
  outside(script: string): { readonly status: number | null; readonly stdout: string };
}

/** Mounts a tmpfs in a mount namespace of its own, with files, and has opens there asked about by rules. */
const watch = async (
  conditions: readonly string[],
  work: (watched: Watched) => Promise<void>,
  options: { readonly holdMs?: number; readonly limitMs?: number } = {},
): Promise<void> => {
  const cgroup = testCgroup();
  const folder = temporaryFolder();
  const rules = conditions.map((condition, index) =>
    ruleOf(`rule ${index}`, condition.replaceAll('FOLDER', folder), {
      action: 'deny',
      mode: 'enforce',
      scope: { cgroup: cgroup.path },
    }),
  );
  const { plan, diagnostics } = compile(rules, { level: '6.12' });
  expect(diagnostics).toEqual([]);
  const lines: ResponderLine[] = [];
  const setUp =
    'mount -t tmpfs shrike-test "$0" && echo secret > "$0/secret" && echo free > "$0/free" && cp /bin/true "$0/program" && exec "$@"';
  const { limitMs = 5_000, ...more } = options;
  const task = {
    rules: fanotifyRules(plan),
    scope: cgroup.path,
    marks: [{ path: folder, of: 'mount' }],
    limitMs,
    ...more,
  } as const;
  const responder = startResponder(
    task,
    (line) => lines.push(line),
    (command, args) =>
      spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', setUp, folder, command, ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
  );
  try {
    await responder.ready;
    const inside = (script: string) => ['-m', '-t', String(responder.process.pid), 'sh', '-c', script];
    await work({
      cgroup,
      folder,
      lines,
      responder: responder.process,
      run: (script) => cgroup.run('nsenter', inside(script.replaceAll('FOLDER', folder))),
      outside: (script) => spawnSync('nsenter', inside(script.replaceAll('FOLDER', folder)), { encoding: 'utf8' }),
    });
  } finally {
    await responder.close();
    await cgroup.remove();
  }
};

const SECRET = 'evt.type in (open, openat, openat2) and fd.name = FOLDER/secret and user.uid = 0 and proc.name = cat';

describe.skipIf(skip)(`opens that fanotify asks about${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('are denied by a process of its own, for tasks of the scope alone', async () => {
    await watch([SECRET], async ({ run, outside, lines }) => {
      const denied = await run('cat FOLDER/secret');
      expect(denied).toMatchObject({ code: 1, stdout: '' });
      expect(denied.stderr).toMatch(/secret: Operation not permitted/);
      expect(await run('cat FOLDER/free')).toMatchObject({ code: 0, stdout: 'free\n' });
      expect(await run('head -c 6 FOLDER/secret')).toMatchObject({ code: 0, stdout: 'secret' });
      expect(outside('cat FOLDER/secret')).toMatchObject({ status: 0, stdout: 'secret\n' });
      await until(() => lines.length > 0);
      expect(lines).toEqual([
        {
          kind: 'denied',
          rule: 'rule 0',
          pid: expect.any(Number),
          path: expect.stringMatching(/\/secret$/),
          on: 'open',
        },
      ]);
    });
  });

  it('execs are, by the new program', async () => {
    await watch(
      ['evt.type in (execve, execveat) and proc.exepath = FOLDER/program'],
      async ({ run, outside, lines }) => {
        expect((await run('FOLDER/program')).code).toBe(126);
        expect(outside('FOLDER/program').status).toBe(0);
        await until(() => lines.length > 0);
        expect(lines[0]).toMatchObject({ kind: 'denied', rule: 'rule 0', on: 'exec' });
      },
    );
  });

  it('are let through where something of the condition is not known', async () => {
    const unknown = 'evt.type in (open, openat, openat2) and fd.name = FOLDER/secret and evt.is_open_write = false';
    await watch([unknown], async ({ run, lines }) => {
      expect(await run('cat FOLDER/secret')).toMatchObject({ code: 0, stdout: 'secret\n' });
      expect(lines).toEqual([]);
    });
  });

  it('are let through where an answer takes too long: a watchdog gives one', async () => {
    await watch(
      [SECRET],
      async ({ run, lines }) => {
        expect(await run('cat FOLDER/secret')).toMatchObject({ code: 0, stdout: 'secret\n' });
        await until(() => lines.length > 0);
        expect(lines[0]).toMatchObject({ kind: 'late', rule: 'rule 0' });
      },
      { holdMs: 800, limitMs: 150 },
    );
  });

  it('are let through when the process is gone', async () => {
    await watch([SECRET], async ({ responder, cgroup, folder }) => {
      const waits = cgroup.start('nsenter', ['-m', '-t', String(responder.pid), 'sleep', '60']);
      await delay(300);
      const namespace = `/proc/${waits.pid}/ns/mnt`;
      responder.kill('SIGKILL');
      await new Promise((resolve) => responder.once('close', resolve));
      const { stdout } = await cgroup.run('nsenter', [`--mount=${namespace}`, 'cat', `${folder}/secret`]);
      expect(stdout).toBe('secret\n');
      waits.kill('SIGKILL');
    });
  });

  it('says what is wrong where a file can not be watched', async () => {
    const task = { rules: [], scope: '/', marks: [{ path: '/no/such/file', of: 'file' }], limitMs: 100 } as const;
    const responder = startResponder(task, () => undefined);
    await expect(responder.ready).rejects.toThrow("/no/such/file can't be watched by fanotify (ENOENT)");
    await responder.close();
  });
});
