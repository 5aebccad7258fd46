import { describe, expect, it } from 'vitest';
import { type AgentOptions, type Reload, runAgent } from '../../agent/index.ts';
import type { Policy } from '../../policies/index.ts';
import { loadPolicyText } from '../../policies/index.ts';
import { createSimHost, type Gate, type Kernel, type SimHost, type SimTask } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { GATE_ATTEMPTS, GATE_STEPS, GATE_TIERS, gatePolicies } from '../support/gate-story.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const EPERM = 1;
/** A tmpfs of every simulated host. */
const FOLDER = '/dev/shm';
const SCOPE = '/system.slice/app';

interface Box extends SimHost {
  /** A new process that runs a program, in the scope or outside of it. */
  process(by: 'cat' | 'head' | 'sh', inside?: boolean): SimTask;
}

const hostOf = (): Box => {
  const host = createSimHost({ memory: 32 * 1024 * 1024, cgroups: [SCOPE] });
  for (const name of ['secret', 'free', 'diary']) host.fs.write(`${FOLDER}/${name}`, name);
  host.fs.write(`${FOLDER}/program`, '\x7fELF', 0o755);
  host.fs.write(`${FOLDER}/.sentinel`, 'sentinel', 0o700);
  const running = new Map(
    [SCOPE, '/elsewhere'].flatMap((cgroup) =>
      (['cat', 'head', 'sh'] as const).map((by) => [
        `${by} ${cgroup}`,
        host.spawn({ exepath: `/usr/bin/${by}`, uid: 0, cgroup }),
      ]),
    ),
  );
  return Object.assign(Object.create(host) as SimHost, {
    process: (by: string, inside = true): SimTask => {
      const parent = running.get(`${by} ${inside ? SCOPE : '/elsewhere'}`);
      const child = parent && host.call(parent, 'fork', []).child;
      if (child === undefined) throw new Error(`nobody runs ${by}`);
      return child;
    },
  });
};

/** What a sentinel does there: it opens, or executes, a file on the mount. */
const trial = (host: SimHost, hook: string, cgroup: string): number => {
  const task = host.spawn({ exepath: '/tmp/sentinel', cgroup });
  const path = `${FOLDER}/.sentinel`;
  return hook.startsWith('fanotify/exec')
    ? host.call(task, 'execve', [path, [path], []]).result
    : host.call(task, 'openat', [-100, path, 0, 0]).result;
};

/** The host's kernel without LSM hooks, with a sentinel, and gates that a test can see. */
const kernelOf = (host: SimHost, gates: Gate[] = [], refuse?: string): Kernel => {
  const { kernel } = host;
  const hooks = kernel.features.hooks.filter((hook) => !hook.startsWith('lsm/'));
  return {
    ...kernel,
    features: { ...kernel.features, hooks },
    openGate: async (options) => {
      if (refuse !== undefined) throw new Error(refuse);
      const gate = await kernel.openGate?.(options);
      if (gate === undefined) throw new Error('the simulated kernel has gates');
      gates.push(gate);
      return gate;
    },
    openSentinel: async (scope, tried) => {
      const cgroup = `${scope === '/' ? '' : scope}/sentinel`;
      host.spawn({ exepath: '/tmp/sentinel', cgroup });
      return {
        cgroup: kernel.cgroupId(cgroup) ?? 0n,
        provoke: async () =>
          tried.map((hook) => {
            const result = trial(host, hook, cgroup);
            return result === -EPERM
              ? { hook, proven: true }
              : { hook, proven: false, why: 'its verdict had no effect: the call was made' };
          }),
        close: async () => undefined,
      };
    },
  };
};

interface Ran {
  readonly attempts: readonly Readonly<Record<string, unknown>>[];
  readonly tiers: unknown;
  readonly reloads: readonly unknown[];
  readonly warnings: readonly string[];
}

const policiesOf = (): readonly Policy[] => {
  const { policies, diagnostics } = loadPolicyText('gate.yaml', gatePolicies(FOLDER, SCOPE));
  expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  return policies;
};

const run = async (
  host: SimHost,
  act: (reload: Reload, pump: () => void) => Promise<void> | void,
  more: Partial<AgentOptions> = {},
  kernel = kernelOf(host),
): Promise<Ran> => {
  const { log, entries } = memoryLog();
  const warnings: string[] = [];
  let reload: Reload | undefined;
  await runAgent({
    policies: policiesOf(),
    host: 'sim',
    enforce: true,
    fanotifyMounts: [FOLDER],
    log,
    warn: (sentence) => warnings.push(sentence),
    onReloadable: (given) => {
      reload = given;
    },
    sensor: {
      kind: 'sim',
      scope: SCOPE,
      kernel,
      run: async (pump) => {
        if (reload !== undefined) await act(reload, pump);
        pump();
        return { calls: host.calls, problems: [] };
      },
    },
    ...more,
  });
  const bodies = (kind: string) =>
    entries.flatMap((entry) => (entry.kind === kind ? [entry.body as Readonly<Record<string, unknown>>] : []));
  return {
    attempts: bodies('enforcement'),
    tiers: bodies('start')[0]?.tiers,
    reloads: bodies('policy').flatMap(({ reload: changes }) => (changes === undefined ? [] : [changes])),
    warnings,
  };
};

/** Whether a program in the scope may open a file there. */
const opens = (host: Box, file: string): boolean =>
  host.call(host.process('cat'), 'openat', [-100, `${FOLDER}/${file}`, 0, 0]).result !== -EPERM;

const executes = (host: Box, file: string): boolean =>
  host.call(host.process('sh'), 'execve', [`${FOLDER}/${file}`, [file], []]).result !== -EPERM;

const outcomes = ({ attempts }: Ran) => attempts.map(({ rule, outcome }) => [rule, outcome]);
const denies = (file: string) =>
  ruleOf(`no ${file}`, `evt.type in (open, openat, openat2) and fd.name = ${FOLDER}/${file}`, {
    action: 'deny',
    mode: 'enforce',
    scope: { cgroup: SCOPE },
  });

describe('where the simulated kernel has no LSM hooks', () => {
  it('fanotify comes to what it comes to on Linux', async () => {
    const host = hostOf();
    const ran = await run(host, (_, pump) => {
      for (const { by, does, file, inside, denied } of GATE_STEPS) {
        const task = host.process(by, inside);
        const path = `${FOLDER}/${file}`;
        const { result } =
          does === 'exec'
            ? host.call(task, 'execve', [path, [path], []])
            : host.call(task, 'openat', [-100, path, 0, 0]);
        expect(result === -EPERM, `${by} ${does} ${file}`).toBe(denied);
        pump();
      }
    });
    expect(ran.attempts.map(({ rule, hook, tier, outcome }) => [rule, hook, tier, outcome])).toEqual(GATE_ATTEMPTS);
    expect(ran.attempts[0]).toMatchObject({
      arguments: { file: `${FOLDER}/secret` },
      exe: '/usr/bin/cat',
      cgroup: SCOPE,
    });
    expect(ran.tiers).toEqual(GATE_TIERS);
    expect(ran.warnings).toEqual([]);
  });

  it('nothing is denied without --enforce, and what would have been is told', async () => {
    const host = hostOf();
    const ran = await run(host, () => void expect(opens(host, 'secret')).toBe(true), { enforce: false });
    expect(outcomes(ran)).toEqual([['Secret read', 'would have']]);
  });

  it('the switch holds for it', async () => {
    const host = hostOf();
    let listener: ((by: string) => void) | undefined;
    const enforcement = {
      isOff: false,
      onChange: (given: (by: string) => void) => {
        listener = given;
        return () => undefined;
      },
    };
    const ran = await run(
      host,
      () => {
        enforcement.isOff = true;
        listener?.('a test');
        expect(opens(host, 'secret')).toBe(true);
        enforcement.isOff = false;
        listener?.('a test');
        expect(opens(host, 'secret')).toBe(false);
      },
      { enforcement },
    );
    const attempts = outcomes(ran).filter(([rule]) => rule !== undefined);
    expect(attempts).toEqual([
      ['Secret read', 'switched off'],
      ['Secret read', 'denied'],
    ]);
  });

  it('protected executables are spared', async () => {
    const host = hostOf();
    const ran = await run(host, () => void expect(opens(host, 'secret')).toBe(true), { protect: ['/usr/bin/cat'] });
    expect(outcomes(ran)).toEqual([['Secret read', 'suppressed: protected executable']]);
  });

  it('is not claimed where the sentinel was not denied, and then not done', async () => {
    const host = hostOf();
    const kernel = kernelOf(host);
    const silent: Kernel = {
      ...kernel,
      openSentinel: async (scope, hooks) => {
        const sentinel = await kernel.openSentinel?.(scope, hooks);
        if (sentinel === undefined) throw new Error('there is a sentinel');
        return {
          ...sentinel,
          provoke: async () => hooks.map((hook) => ({ hook, proven: false, why: 'the call was made' })),
        };
      },
    };
    const ran = await run(host, () => void expect(opens(host, 'secret')).toBe(true), {}, silent);
    expect(ran.tiers).toEqual([
      { tier: 'fanotify', hook: 'fanotify/open', proven: false, why: `on ${FOLDER}, the call was made` },
      { tier: 'fanotify', hook: 'fanotify/exec', proven: false, why: `on ${FOLDER}, the call was made` },
    ]);
    expect(ran.warnings).toEqual([
      `fanotify/open is not enforced (on ${FOLDER}, the call was made): Secret read, Diary read say what would have been done there`,
      `fanotify/exec is not enforced (on ${FOLDER}, the call was made): Program run says what would have been done there`,
    ]);
    expect(outcomes(ran)).toEqual([['Secret read', 'would have']]);
  });

  it('is not claimed where its mounts can not be watched', async () => {
    const host = hostOf();
    const ran = await run(
      host,
      () => void expect(opens(host, 'secret')).toBe(true),
      {},
      kernelOf(host, [], 'no such mount'),
    );
    expect(ran.warnings[0]).toBe('fanotify/open and fanotify/exec: nothing is denied there: no such mount');
    expect(ran.tiers).toMatchObject([{ proven: false }, { proven: false }]);
    expect(outcomes(ran)).toEqual([]);
  });

  it('rules that fanotify can not decide are named', async () => {
    const host = hostOf();
    const writes = ruleOf(
      'no writes',
      `evt.type in (open, openat, openat2) and fd.name = ${FOLDER}/secret and evt.is_open_write = true`,
      { action: 'deny', mode: 'enforce', scope: { cgroup: SCOPE } },
    );
    const ran = await run(host, () => void expect(opens(host, 'free')).toBe(false), {
      policies: [policyOf([writes, denies('free')])],
    });
    expect(ran.warnings).toEqual([
      'no writes: fanotify can\'t decide it ("evt.is_open_write = true": fanotify does not say how a file is opened), and the kernel has no LSM hook',
    ]);
  });

  it('other policies take over, hooks that they bring are tried, and one answers at a time', async () => {
    const host = hostOf();
    const gates: Gate[] = [];
    const ran = await run(
      host,
      async (reload) => {
        expect([opens(host, 'free'), opens(host, 'diary'), executes(host, 'program')]).toEqual([false, true, true]);
        expect(await reload(policiesOf())).toMatchObject({ done: true });
        expect([opens(host, 'free'), opens(host, 'secret'), executes(host, 'program')]).toEqual([true, false, false]);
        expect(await reload([policyOf([ruleOf('seen', 'evt.type = openat and fd.name = /x')])])).toMatchObject({
          done: true,
        });
        expect([opens(host, 'free'), opens(host, 'secret'), executes(host, 'program')]).toEqual([true, true, true]);
      },
      { policies: [policyOf([denies('free')])] },
      kernelOf(host, gates),
    );
    expect(gates.length).toBe(2);
    expect(outcomes(ran)).toEqual([
      ['no free', 'denied'],
      ['Secret read', 'denied'],
      ['Program run', 'denied'],
    ]);
    expect(ran.tiers).toEqual([{ tier: 'fanotify', hook: 'fanotify/open', proven: true }]);
    expect(ran.reloads[0]).toMatchObject({ tiers: [{ tier: 'fanotify', hook: 'fanotify/exec', proven: true }] });
  });
});

it('where the kernel has LSM hooks, fanotify is not used', async () => {
  const host = hostOf();
  const gates: Gate[] = [];
  const { openGate } = kernelOf(host, gates);
  const kernel: Kernel = { ...host.kernel, ...(openGate && { openGate }) };
  const ran = await run(host, () => void expect(opens(host, 'secret')).toBe(false), {}, kernel);
  expect(gates).toEqual([]);
  expect(ran.warnings).toEqual(['sim 6.12 has LSM hooks, which decide opens and execs: fanotify is not used']);
  expect(ran.attempts[0]).toMatchObject({ hook: 'lsm/file_open', tier: 'lsm', outcome: 'denied' });
});
