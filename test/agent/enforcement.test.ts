import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import { CONFIG, type Rule } from '../../rules/index.ts';
import { createSimHost, type KernelMap, type SimHost, type SimTask } from '../../sensors/index.ts';
import { memoryLog } from '../support/audit.ts';
import { policyOf, ruleOf } from '../support/rules.ts';

const EPERM = 1;
const FDCWD = -100;
const SERVICE = '/system.slice/web.service';
const OPENS = 'evt.type in (open, openat, openat2)';

const acting = (name: string, action: Rule['action'], condition: string, more: Partial<Rule> = {}): Rule =>
  ruleOf(name, condition, { action, mode: 'enforce', scope: { cgroup: '/system.slice' }, ...more });

const denySecret = acting('deny secret', 'deny', `${OPENS} and fd.name = /srv/secret`);
const killTmp = acting('kill tmp', 'kill', 'evt.type in (execve, execveat) and proc.exepath startswith /tmp/');

interface Stage {
  readonly host: SimHost;
  /** A shell of a service in the rules' scope. */
  readonly service: SimTask;
  /** Writes one of the configuration's members, as the agent does. */
  configure(offset: number, bytes: 4 | 8, value: bigint): void;
}

interface Played {
  readonly alerts: readonly Alert[];
  /** The audit log's enforcement records: rule and outcome. */
  readonly outcomes: readonly (readonly [rule: string, outcome: string])[];
  readonly denied: number;
  readonly killed: number;
  readonly host: SimHost;
}

/** Runs an agent over what `act` does on a host. */
const play = async (
  rules: readonly Rule[],
  act: (stage: Stage) => void,
  { enforce = true, protect = [] }: { enforce?: boolean; protect?: readonly string[] } = {},
): Promise<Played> => {
  const host = createSimHost({ memory: 32 * 1024 * 1024 });
  host.fs.write('/srv/secret', 'as it was', 0o666);
  host.fs.write('/srv/other', 'as it was', 0o666);
  host.fs.write('/tmp/x', '\x7fELF', 0o755);
  host.network.declareRemote('203.0.113.5', 443);
  const service = host.spawn({ exepath: '/usr/bin/bash', cgroup: SERVICE });
  const maps = new Map<string, KernelMap>();
  const { log, entries } = memoryLog();
  const alerts: Alert[] = [];
  const configure = (offset: number, bytes: 4 | 8, value: bigint): void => {
    const config = maps.get('config');
    const before = config?.lookup(new Uint8Array(4));
    if (config === undefined || before === undefined) throw new Error('no configuration');
    const after = before.slice();
    const view = new DataView(after.buffer);
    if (bytes === 4) view.setUint32(offset, Number(value), true);
    else view.setBigUint64(offset, value, true);
    config.update(new Uint8Array(4), after);
  };
  const { denied, killed } = await runAgent({
    policies: [policyOf(rules)],
    host: 'sim',
    enforce,
    protect,
    log,
    onAlert: (alert) => alerts.push(alert),
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel: {
        ...host.kernel,
        createMap: (spec) => {
          const map = host.kernel.createMap(spec);
          maps.set(spec.name, map);
          return map;
        },
      },
      run: async () => {
        act({ host, service, configure });
        return { calls: host.calls, problems: [] };
      },
    },
  });
  const outcomes = entries.flatMap(({ kind, body }) => {
    const { rule, outcome } = body as { rule: string; outcome: string };
    return kind === 'enforcement' ? [[rule, outcome] as const] : [];
  });
  return { alerts, outcomes, denied, killed, host };
};

const open = (host: SimHost, task: SimTask, path: string, flags = 0): number =>
  host.call(task, 'openat', [FDCWD, path, flags, 0]).result;
const fork = (host: SimHost, task: SimTask): SimTask => {
  const child = host.task(host.call(task, 'fork', []).result);
  if (child === undefined) throw new Error('fork made no process');
  return child;
};
const O_TRUNC_WRITE = 0o1001;

describe('deny', () => {
  it('of an open returns -EPERM before the file is touched', async () => {
    const played = await play([denySecret], ({ host, service }) => {
      expect(open(host, service, '/srv/secret', O_TRUNC_WRITE)).toBe(-EPERM);
      expect(host.call(service, 'open', ['/srv/secret', O_TRUNC_WRITE, 0], { abi: 'ia32' }).result).toBe(-EPERM);
      expect(host.call(service, 'creat', ['/srv/secret', 0]).result).toBe(-EPERM);
      for (const via of ['io_uring', 'io_uring_sqpoll'] as const)
        expect(host.call(service, 'openat', [FDCWD, '/srv/secret', O_TRUNC_WRITE, 0], { via }).result).toBe(-EPERM);
      expect(open(host, service, '/srv/other')).toBe(5);
      expect(service.alive).toBe(true);
    });
    expect(played.host.fs.read('/srv/secret')).toBe('as it was');
    expect(played.outcomes).toEqual(new Array(5).fill(['deny secret', 'denied']));
    expect(played.denied).toBe(5);
    expect(played.alerts[0]).toMatchObject({ verdict: 'deny', enforced: true, hook: 'lsm/file_open', event: 'openat' });
  });

  it('of a file under another name goes by what is opened', async () => {
    await play([denySecret], ({ host, service }) => {
      host.fs.symlink('/srv/secret', '/tmp/innocent');
      expect(open(host, service, '/tmp/innocent')).toBe(-EPERM);
      host.call(service, 'chdir', ['/srv']);
      expect(open(host, service, './/../srv/secret')).toBe(-EPERM);
    });
  });

  it('of a connect lets nothing out', async () => {
    const rule = acting('deny connect', 'deny', 'evt.type = connect and fd.sip = 203.0.113.5 and fd.sport = 443');
    const played = await play([rule], ({ host, service }) => {
      for (const [family, address] of [
        [2, '203.0.113.5'],
        [10, '::ffff:203.0.113.5'],
      ] as const) {
        const socket = host.call(service, 'socket', [family, 1, 0]).result;
        expect(host.call(service, 'connect', [socket, { address, port: 443 }]).result).toBe(-EPERM);
      }
    });
    expect(played.denied).toBe(2);
  });

  it('of an exec leaves the caller the program it had', async () => {
    const rule = acting('deny exec', 'deny', 'evt.type = execve and proc.exepath = /tmp/x');
    const played = await play([rule], ({ host, service }) => {
      expect(host.call(service, 'execve', ['/tmp/x', ['x'], []]).result).toBe(-EPERM);
      expect(service).toMatchObject({ alive: true, exepath: '/usr/bin/bash' });
      expect(host.call(service, 'execve', ['/usr/bin/cat', ['cat'], []]).result).toBe(0);
    });
    expect(played.outcomes).toEqual([['deny exec', 'denied']]);
  });

  it('of opening a program does not keep it from being executed', async () => {
    const rule = acting('deny read', 'deny', `${OPENS} and fd.name = /tmp/x`);
    const played = await play([rule], ({ host, service }) => {
      expect(open(host, service, '/tmp/x')).toBe(-EPERM);
      expect(host.call(service, 'execve', ['/tmp/x', ['x'], []]).result).toBe(0);
    });
    expect(played.outcomes).toEqual([['deny read', 'denied']]);
  });

  it('by the flags of an open tells reading from writing', async () => {
    const rule = acting('deny write', 'deny', `${OPENS} and fd.name = /srv/secret and evt.is_open_write = true`);
    await play([rule], ({ host, service }) => {
      expect(open(host, service, '/srv/secret')).toBe(3);
      expect(open(host, service, '/srv/secret', 1)).toBe(-EPERM);
      expect(open(host, service, '/srv/secret', 2)).toBe(-EPERM);
    });
  });
});

describe('kill', () => {
  it('at an exec lets the program make no call', async () => {
    const played = await play([killTmp], ({ host, service }) => {
      const child = fork(host, service);
      host.call(child, 'execve', ['/tmp/x', ['x'], []]);
      expect(child).toMatchObject({ alive: false, killedBy: 9 });
      expect(() => host.call(child, 'getpid', [])).toThrow('dead');
      expect(service.alive).toBe(true);
    });
    expect(played.outcomes).toEqual([['kill tmp', 'killed']]);
    expect(played.killed).toBe(1);
    expect(played.alerts[0]).toMatchObject({ verdict: 'kill', enforced: true });
  });

  it('at an open denies the call too', async () => {
    const rule = acting('kill secret', 'kill', `${OPENS} and fd.name = /srv/secret`);
    const played = await play([rule], ({ host, service }) => {
      const child = fork(host, service);
      expect(open(host, child, '/srv/secret', O_TRUNC_WRITE)).toBe(-EPERM);
      expect(child).toMatchObject({ alive: false, killedBy: 9 });
    });
    expect(played.host.fs.read('/srv/secret')).toBe('as it was');
    expect(played.outcomes).toEqual([['kill secret', 'killed']]);
  });

  it('wins over a deny on the same event, and each rule is told of', async () => {
    const kill = acting('kill secret', 'kill', `${OPENS} and fd.name = /srv/secret and proc.name = bash`);
    const watch = ruleOf('watch', `${OPENS} and fd.name = /srv/secret`, { action: 'kill' });
    const played = await play([kill, denySecret, watch], ({ host, service }) => {
      const child = fork(host, service);
      expect(open(host, child, '/srv/secret')).toBe(-EPERM);
      expect(child.killedBy).toBe(9);
    });
    expect(played.outcomes).toEqual([
      ['kill secret', 'killed'],
      ['deny secret', 'denied'],
      ['watch', 'would have'],
    ]);
    expect(played.alerts.map(({ rule, verdict, enforced }) => [rule, verdict, enforced])).toEqual([
      ['kill secret', 'kill', true],
      ['deny secret', 'deny', true],
      ['watch', 'kill', false],
    ]);
  });
});

describe('guards', () => {
  const everyOpen = acting('deny all', 'kill', `${OPENS} and fd.name = /srv/secret`, { scope: { cgroup: '/' } });

  it('keep process 1', async () => {
    const played = await play([everyOpen], ({ host }) => {
      expect(open(host, host.root, '/srv/secret')).toBeGreaterThanOrEqual(0);
      expect(host.root.alive).toBe(true);
    });
    expect(played.outcomes).toEqual([['deny all', 'suppressed: init']]);
    expect(played.alerts[0]).toMatchObject({ verdict: 'kill', enforced: false });
  });

  it('keep kernel threads', async () => {
    const played = await play([everyOpen], ({ host }) => {
      const thread = host.spawn({ name: 'kworker/0:1', exepath: 'none', kernelThread: true });
      expect(open(host, thread, '/srv/secret')).toBeGreaterThanOrEqual(0);
    });
    expect(played.outcomes).toEqual([['deny all', 'suppressed: kernel thread']]);
  });

  it("keep the agent's own process, and nobody else", async () => {
    const played = await play([denySecret], ({ host, service, configure }) => {
      configure(CONFIG.agent, 4, BigInt(service.pid));
      expect(open(host, service, '/srv/secret')).toBeGreaterThanOrEqual(0);
      expect(open(host, fork(host, service), '/srv/secret')).toBe(-EPERM);
    });
    expect(played.outcomes).toEqual([
      ['deny secret', 'suppressed: agent'],
      ['deny secret', 'denied'],
    ]);
  });

  it('keep protected executables by what they are: under another name, but not a copy', async () => {
    const played = await play(
      [denySecret],
      ({ host, service }) => {
        host.fs.symlink('/usr/bin/vi', '/usr/bin/other-name');
        host.fs.write('/usr/bin/copy', host.fs.readBytes('/usr/bin/vi'), 0o755);
        const run = (path: string): number => {
          const child = fork(host, service);
          host.call(child, 'execve', [path, ['vi'], []]);
          return open(host, child, '/srv/secret');
        };
        expect(run('/usr/bin/vi')).toBeGreaterThanOrEqual(0);
        expect(run('/usr/bin/other-name')).toBeGreaterThanOrEqual(0);
        expect(run('/usr/bin/copy')).toBe(-EPERM);
        expect(run('/usr/bin/cat')).toBe(-EPERM);
      },
      { protect: ['/usr/bin/vi'] },
    );
    expect(played.outcomes.map(([, outcome]) => outcome)).toEqual([
      'suppressed: protected executable',
      'suppressed: protected executable',
      'denied',
      'denied',
    ]);
  });

  it('keep a protected executable from being denied or killed at its exec', async () => {
    const deny = acting('deny exec', 'deny', 'evt.type = execve and proc.exepath = /usr/bin/vi');
    const kill = acting('kill exec', 'kill', 'evt.type = execve and proc.exepath = /usr/bin/vi');
    const played = await play(
      [deny, kill],
      ({ host, service }) => {
        const child = fork(host, service);
        expect(host.call(child, 'execve', ['/usr/bin/vi', ['vi'], []]).result).toBe(0);
        expect(child.alive).toBe(true);
      },
      { protect: ['/usr/bin/vi'] },
    );
    expect(played.outcomes).toEqual([
      ['deny exec', 'suppressed: protected executable'],
      ['kill exec', 'suppressed: protected executable'],
    ]);
  });

  it('end enforcement when its time is over', async () => {
    const played = await play([denySecret], ({ host, service, configure }) => {
      configure(CONFIG.expires, 8, host.bootNs + 1_000_000_000n);
      expect(open(host, service, '/srv/secret')).toBe(-EPERM);
      host.advance(2_000_000_000n);
      expect(open(host, service, '/srv/secret')).toBeGreaterThanOrEqual(0);
    });
    expect(played.outcomes).toEqual([
      ['deny secret', 'denied'],
      ['deny secret', 'expired'],
    ]);
  });

  it('have a switch that is read at every event', async () => {
    const played = await play([denySecret], ({ host, service, configure }) => {
      expect(open(host, service, '/srv/secret')).toBe(-EPERM);
      configure(CONFIG.enforce, 4, 0n);
      expect(open(host, service, '/srv/secret')).toBeGreaterThanOrEqual(0);
      configure(CONFIG.enforce, 4, 1n);
      expect(open(host, service, '/srv/secret')).toBe(-EPERM);
    });
    expect(played.outcomes.map(([, outcome]) => outcome)).toEqual(['denied', 'would have', 'denied']);
  });
});

describe('scope', () => {
  it('holds in the subtree of its cgroup, and nowhere else', async () => {
    const played = await play([denySecret], ({ host }) => {
      const inside = ['/system.slice', '/system.slice/a.service', '/system.slice/a.service/deeper/still'];
      const outside = ['/', '/user.slice', '/system', '/system.slice-2', '/user.slice/system.slice', '/init.scope'];
      const result = (cgroup: string): number =>
        open(host, host.spawn({ exepath: '/usr/bin/cat', cgroup }), '/srv/secret');
      for (const cgroup of inside) expect(result(cgroup), cgroup).toBe(-EPERM);
      for (const cgroup of outside) expect(result(cgroup), cgroup).toBe(3);
    });
    expect(played.alerts.length).toBe(3);
  });

  it('that no cgroup has is nobody, and the agent says so', async () => {
    const nowhere = { ...denySecret, scope: { cgroup: '/absent.slice' } };
    const played = await play([nowhere], ({ host, service }) => {
      expect(open(host, service, '/srv/secret')).toBeGreaterThanOrEqual(0);
    });
    expect(played.alerts).toEqual([]);
  });
});

describe('what is not certain', () => {
  it('is never acted on: a path that is longer than what is read', async () => {
    const folder = `/srv/${'d'.repeat(200)}`;
    const long = `${folder}/${'f'.repeat(100)}`;
    const rules = [
      acting('starts', 'deny', `${OPENS} and fd.name startswith /srv/`),
      acting('negated', 'deny', `${OPENS} and not fd.name = /srv/other`),
    ];
    const played = await play(rules, ({ host, service }) => {
      host.fs.write(long, 'x', 0o666);
      expect(open(host, service, long)).toBeGreaterThanOrEqual(0);
      expect(open(host, service, '/srv/secret')).toBe(-EPERM);
    });
    expect(played.outcomes).toEqual([
      ['starts', 'not certain'],
      ['negated', 'not certain'],
      ['starts', 'denied'],
      ['negated', 'denied'],
    ]);
    expect(played.alerts[0]).toMatchObject({ verdict: 'allow', enforced: false });
  });

  it('is never acted on: a command line that is longer than what is read', async () => {
    const rule = acting('long', 'kill', 'evt.type = execve and proc.cmdline contains evil');
    const played = await play([rule], ({ host, service }) => {
      const child = fork(host, service);
      host.call(child, 'execve', ['/usr/bin/cat', ['cat', 'evil', 'y'.repeat(1000)], []]);
      expect(child.alive).toBe(true);
      const other = fork(host, service);
      host.call(other, 'execve', ['/usr/bin/cat', ['cat', 'evil'], []]);
      expect(other.alive).toBe(false);
    });
    expect(played.outcomes).toEqual([
      ['long', 'not certain'],
      ['long', 'killed'],
    ]);
  });

  it('is never acted on: the name that a pipe does not have, under a negation', async () => {
    const rule = acting('named', 'deny', `${OPENS} and not fd.name startswith /srv/`);
    const played = await play([rule], ({ host, service }) => {
      const [end = 0] = host.call(service, 'pipe', []).fds ?? [];
      expect(open(host, service, `/proc/self/fd/${end}`)).toBeGreaterThanOrEqual(0);
      expect(open(host, service, '/etc/passwd')).toBe(-EPERM);
      expect(open(host, service, '/srv/other')).toBeGreaterThanOrEqual(0);
    });
    expect(played.outcomes).toEqual([
      ['named', 'not certain'],
      ['named', 'denied'],
    ]);
  });
});

describe('without enforcement', () => {
  const act = ({ host, service }: Stage): void => {
    for (const path of ['/srv/secret', '/srv/other', '/etc/passwd', '/srv/secret']) open(host, service, path);
    const child = fork(host, service);
    host.call(child, 'execve', ['/tmp/x', ['x'], []]);
    host.call(service, 'execve', ['/usr/bin/cat', ['cat'], []]);
  };
  const told = ({ alerts }: Played) =>
    alerts.map(({ rule, hook, event, verdict, process }) => [rule, hook, event, verdict, process.pid]);

  it('the same calls raise the same alerts, and nothing is done', async () => {
    const on = await play([denySecret, killTmp], act);
    const off = await play([denySecret, killTmp], act, { enforce: false });
    expect(told(off)).toEqual(told(on));
    expect(told(on).length).toBe(3);
    expect(on.alerts.every(({ enforced }) => enforced)).toBe(true);
    expect(off.alerts.some(({ enforced }) => enforced)).toBe(false);
    expect(off.outcomes.map(([, outcome]) => outcome)).toEqual(['would have', 'would have', 'would have']);
    expect([off.denied, off.killed]).toEqual([0, 0]);
  });

  it('a policy that monitors only says what it would do, also in an agent that enforces', async () => {
    const rules = [denySecret, killTmp].map((rule) => ({ ...rule, mode: 'monitor' as const }));
    const played = await play(rules, (stage) => {
      expect(open(stage.host, stage.service, '/srv/secret')).toBeGreaterThanOrEqual(0);
      act(stage);
    });
    expect(played.outcomes.map(([, outcome]) => outcome)).toEqual([
      'would have',
      'would have',
      'would have',
      'would have',
    ]);
    expect([played.denied, played.killed]).toEqual([0, 0]);
  });
});
