import { deepStrictEqual, strictEqual } from 'node:assert';
import type { FeatureLevel } from '../../../../engine/object/index.ts';
import { group } from '../case.ts';
import type { Host, Task } from '../host.ts';
import { type CaseRule, watch } from '../policies.ts';

const HOOK = 'tp_btf/sys_exit';
const [AT_FDCWD, AT_EMPTY_PATH, O_CREAT_WRONLY, EPERM, ENOENT, ECONNREFUSED] = [-100, 0x1000, 0o101, 1, 2, 111];
const [AF_INET, SOCK_STREAM] = [2, 1];

const OPEN = 'evt.type in (open, openat, openat2, creat)';
const openRule: CaseRule = {
  condition: `${OPEN} and fd.name endswith /watched.txt`,
  output: '%evt.type %fd.name %proc.name %evt.res',
};

const open = (task: Task, path: string, flags = 0) => task.call('openat', [AT_FDCWD, path, flags, 0o644]);
const make = async (host: Host, name: string): Promise<string> => {
  const path = `${host.folder}/${name}`;
  const fd = await open(host.task, path, O_CREAT_WRONLY);
  strictEqual(fd >= 0, true);
  strictEqual(await host.task.call('close', [fd]), 0);
  return path;
};
const outputs = (alerts: readonly { readonly output: string }[]): string[] => alerts.map(({ output }) => output);

const address = (port: number): Uint8Array =>
  Uint8Array.from([AF_INET, 0, port >> 8, port & 0xff, 127, 0, 0, 1, ...new Uint8Array(8)]);

/** One alert for an open, from an object of this level. */
const atLevel = (level: FeatureLevel) => async (host: Host) => {
  const path = await make(host, 'watched.txt');
  const { alerts, summary } = await watch(
    host,
    [openRule],
    async () => {
      await open(host.task, path);
      await open(host.task, `${host.folder}/absent.txt`);
    },
    { level },
  );
  deepStrictEqual(outputs(alerts), [`openat ${path} suite-driver SUCCESS`]);
  deepStrictEqual([...summary.lost.values()], []);
};

export const policyCases = group('compiled policies', [`hook:${HOOK}`], {
  'an object of level 6.1 raises an alert for an open': atLevel('6.1'),
  'an object of level 6.9 does': [['level:6.9'], atLevel('6.9')],
  'an object of level 6.12 does': [['level:6.12'], atLevel('6.12')],
  'a symbolic link is seen through': async (host) => {
    const path = await make(host, 'watched.txt');
    strictEqual(await host.task.call('symlinkat', ['watched.txt', AT_FDCWD, `${host.folder}/innocent`]), 0);
    const { alerts } = await watch(host, [openRule], async () => {
      await open(host.task, `${host.folder}/innocent`);
    });
    deepStrictEqual(outputs(alerts), [`openat ${path} suite-driver SUCCESS`]);
    strictEqual(alerts[0]?.trust['fd.name'], 'contestable');
  },
  'a relative path is made whole': async (host) => {
    const path = await make(host, 'watched.txt');
    strictEqual(await host.task.call('chdir', [host.folder]), 0);
    const { alerts } = await watch(host, [openRule], async () => {
      await host.task.call('open', ['./watched.txt', 0, 0]);
    });
    deepStrictEqual(outputs(alerts), [`open ${path} suite-driver SUCCESS`]);
  },
  'a path goes over mounts': async (host) => {
    const { alerts } = await watch(
      host,
      [{ condition: `${OPEN} and fd.name startswith /proc/ and fd.filename = cmdline`, output: '%fd.name' }],
      async () => {
        strictEqual((await open(host.task, '/proc/self/cmdline')) >= 0, true);
      },
    );
    deepStrictEqual(outputs(alerts), [`/proc/${host.task.pid}/cmdline`]);
  },
  'a 32-bit open is the same event': [
    ['ia32'],
    async (host) => {
      const path = await make(host, 'watched.txt');
      const { alerts } = await watch(host, [openRule], async () => {
        strictEqual((await host.task.call('open', [path, 0, 0], 'ia32')) >= 0, true);
      });
      deepStrictEqual(outputs(alerts), [`open ${path} suite-driver SUCCESS`]);
    },
  ],
  'a failed open has its path as it was passed': async (host) => {
    const path = `${host.folder}/watched.txt`;
    const { alerts } = await watch(host, [openRule], async () => {
      strictEqual(await open(host.task, path), -ENOENT);
    });
    deepStrictEqual(outputs(alerts), [`openat ${path} suite-driver ENOENT`]);
    strictEqual(alerts[0]?.trust['fd.name'], 'as passed');
  },
  'tasks outside of the scope raise nothing': async (host) => {
    const path = await make(host, 'watched.txt');
    const outsider = await host.outsider();
    const { alerts } = await watch(host, [openRule], async () => {
      await open(outsider, path);
      await outsider.call('execve', [host.program, ['x'], []]);
    });
    deepStrictEqual(outputs(alerts), []);
  },
  'a duplicated descriptor has its file': async (host) => {
    const path = await make(host, 'watched.txt');
    const fd = await open(host.task, path);
    const { alerts } = await watch(
      host,
      [{ condition: 'evt.type = dup and fd.name endswith /watched.txt', output: '%evt.type %fd.name' }],
      async () => {
        strictEqual((await host.task.call('dup', [fd])) > fd, true);
      },
    );
    deepStrictEqual(outputs(alerts), [`dup ${path}`]);
  },
  'unlink, rename and chmod have their paths': async (host) => {
    const path = await make(host, 'watched.txt');
    strictEqual(await host.task.call('mkdir', [`${host.folder}/other`, 0o755]), 0);
    const { alerts } = await watch(
      host,
      [
        {
          name: 'chmod',
          condition: 'evt.type = chmod and fs.path.name endswith /watched.txt',
          output: 'chmod %fs.path.name',
        },
        {
          name: 'rename',
          condition: 'evt.type = rename and fs.path.source endswith /watched.txt',
          output: 'rename %fs.path.source %fs.path.target',
        },
        {
          name: 'unlink',
          condition: 'evt.type = unlinkat and fs.path.name endswith /moved.txt',
          output: 'unlink %fs.path.name',
        },
      ],
      async () => {
        strictEqual(await host.task.call('chmod', [path, 0o600]), 0);
        strictEqual(await host.task.call('rename', [path, `${host.folder}/other/moved.txt`]), 0);
        strictEqual(await host.task.call('unlinkat', [AT_FDCWD, `${host.folder}/other/moved.txt`, 0]), 0);
      },
    );
    const moved = `${host.folder}/other/moved.txt`;
    deepStrictEqual(outputs(alerts), [`chmod ${path}`, `rename ${path} ${moved}`, `unlink ${moved}`]);
  },
  'a file that was deleted keeps its name': async (host) => {
    const path = await make(host, 'watched.txt');
    const fd = await open(host.task, path);
    strictEqual(await host.task.call('unlink', [path]), 0);
    const { alerts } = await watch(
      host,
      [{ condition: 'evt.type = dup and fd.filename startswith watched.txt', output: '%fd.name' }],
      async () => {
        strictEqual((await host.task.call('dup', [fd])) > fd, true);
      },
    );
    deepStrictEqual(outputs(alerts), [path]);
  },
  'a path that is longer than programs follow is unknown, and no other': async (host) => {
    const name = 'd'.repeat(200);
    let directory = await host.task.call('openat', [AT_FDCWD, host.folder, 0, 0]);
    for (let depth = 0; depth < 15; depth++) {
      strictEqual(await host.task.call('mkdirat', [directory, name, 0o755]), 0);
      const below = await host.task.call('openat', [directory, name, 0, 0]);
      await host.task.call('close', [directory]);
      directory = below;
    }
    const { alerts } = await watch(
      host,
      [
        {
          condition: `${OPEN} and fd.name startswith ${host.folder.slice(0, 4)} and evt.is_open_create = true`,
          output: '%fd.name',
        },
      ],
      async () => {
        strictEqual((await host.task.call('openat', [directory, 'deep', O_CREAT_WRONLY, 0o644])) >= 0, true);
      },
    );
    deepStrictEqual(outputs(alerts), ['<unknown>']);
  },
  'a new root is no end of a path': async (host) => {
    const path = `${host.folder}/jail`;
    strictEqual(await host.task.call('mkdir', [path, 0o755]), 0);
    const child = await host.task.fork();
    const { alerts } = await watch(host, [openRule], async () => {
      strictEqual(await child.call('chroot', [path]), 0);
      strictEqual(await child.call('chdir', ['/']), 0);
      strictEqual((await child.call('openat', [AT_FDCWD, '/watched.txt', O_CREAT_WRONLY, 0o644])) >= 0, true);
    });
    deepStrictEqual(outputs(alerts), [`openat ${path}/watched.txt suite-driver SUCCESS`]);
  },
  'exec has arguments and executable': async (host) => {
    const { alerts } = await watch(
      host,
      [
        {
          condition: 'evt.type = execve and proc.args contains secret',
          output: '%proc.exepath|%proc.cmdline|%proc.name|%proc.pid',
        },
      ],
      async () => {
        const child = await host.task.fork();
        strictEqual(await child.call('execve', [host.program, ['named', 'a secret', 'x'], []]), 0);
      },
    );
    const [pid] = alerts.map(({ process }) => process.pid);
    deepStrictEqual(outputs(alerts), [`${host.program}|suite-driver a secret x|suite-driver|${pid}`]);
  },
  'execveat is an exec': async (host) => {
    const { alerts } = await watch(
      host,
      [{ condition: 'evt.type in (execve, execveat) and proc.args = quietly', output: '%proc.exepath %proc.cmdline' }],
      async () => {
        strictEqual(await host.task.call('execveat', [AT_FDCWD, host.program, ['x', 'quietly'], [], 0]), 0);
      },
    );
    deepStrictEqual(outputs(alerts), [`${host.program} suite-driver quietly`]);
  },
  'a program in anonymous memory is known as such': async (host) => {
    const { alerts } = await watch(
      host,
      [
        {
          condition: 'evt.type in (execve, execveat) and proc.is_exe_from_memfd = true',
          output: '%proc.args %proc.is_exe_from_memfd',
        },
      ],
      async () => {
        const fd = await host.task.call('memfd_create', ['payload', 0]);
        strictEqual(fd >= 0, true);
        const image = host.programBytes();
        strictEqual(await host.task.call('pwrite64', [fd, image, image.length, 0]), image.length);
        const child = await host.task.fork();
        strictEqual(await child.call('execve', [host.program, ['plain'], []]), 0);
        strictEqual(await child.call('execveat', [fd, '', ['x', 'hidden'], [], AT_EMPTY_PATH]), 0);
      },
    );
    deepStrictEqual(outputs(alerts), ['hidden true']);
  },
  'a failed exec is no new program': async (host) => {
    const { alerts } = await watch(
      host,
      [{ condition: 'evt.type = execve and evt.failed = true', output: '%evt.res %proc.name %proc.cmdline' }],
      async () => {
        strictEqual(await host.task.call('execve', ['/nothing/here', ['other'], []]), -ENOENT);
      },
    );
    deepStrictEqual(outputs(alerts), ['ENOENT suite-driver suite-driver']);
  },
  'a child has its parent, by what the parent ran': async (host) => {
    const path = await make(host, 'watched.txt');
    const { alerts } = await watch(
      host,
      [
        {
          condition: `${openRule.condition} and proc.pcmdline = "suite-driver one"`,
          output: '%proc.cmdline < %proc.pcmdline',
        },
      ],
      async () => {
        strictEqual(await host.task.call('execve', [host.program, ['parent', 'one'], []]), 0);
        const child = await host.task.fork();
        strictEqual(await child.call('execve', [host.program, ['child', 'two'], []]), 0);
        await open(child, path);
        await open(host.task, path);
      },
    );
    deepStrictEqual(outputs(alerts), ['suite-driver two < suite-driver one']);
  },
  'processes that were there before are known': async (host) => {
    const path = await make(host, 'watched.txt');
    strictEqual(await host.task.call('execve', [host.program, ['long', 'before'], []]), 0);
    const child = await host.task.fork();
    const { alerts } = await watch(
      host,
      [{ ...openRule, output: '%proc.cmdline|%proc.exepath|%proc.pcmdline' }],
      async () => {
        await open(child, path);
      },
    );
    deepStrictEqual(outputs(alerts), [`suite-driver before|${host.program}|suite-driver before`]);
  },
  "a thread's call is its process's, with a tid of its own": async (host) => {
    const path = await make(host, 'watched.txt');
    const thread = await host.task.fork('thread');
    const { alerts } = await watch(host, [{ ...openRule, output: '%proc.pid %thread.tid' }], async () => {
      await open(thread, path);
    });
    deepStrictEqual(outputs(alerts), [`${host.task.pid} ${thread.pid}`]);
  },
  'a process that ends is an event': async (host) => {
    const { alerts } = await watch(
      host,
      [{ condition: 'evt.type = procexit and proc.cmdline contains leaving', output: '%evt.type %proc.cmdline' }],
      async () => {
        const child = await host.task.fork();
        strictEqual(await child.call('execve', [host.program, ['now', 'leaving'], []]), 0);
        await child.last('exit_group', [0]);
      },
    );
    deepStrictEqual(outputs(alerts), ['procexit suite-driver leaving']);
  },
  'ids in effect are those at the time of the call': async (host) => {
    const path = await make(host, 'watched.txt');
    const { alerts } = await watch(
      host,
      [{ condition: `${openRule.condition} and user.uid = 1234`, output: '%user.uid %group.gid' }],
      async () => {
        const child = await host.task.fork();
        await open(child, path);
        strictEqual(await child.call('setresgid', [77, 77, 77]), 0);
        strictEqual(await child.call('setresuid', [1234, 1234, 1234]), 0);
        await open(child, path);
      },
    );
    deepStrictEqual(outputs(alerts), ['1234 77']);
  },
  'a connection has its other end': async (host) => {
    const { alerts } = await watch(
      host,
      [{ condition: 'evt.type = connect and fd.sip = 127.0.0.1', output: '%fd.sip:%fd.sport %evt.res' }],
      async () => {
        for (const [port, wanted] of [
          [host.ports.open, 0],
          [host.ports.closed, -ECONNREFUSED],
        ] as const) {
          const fd = await host.task.call('socket', [AF_INET, SOCK_STREAM, 0]);
          strictEqual(await host.task.call('connect', [fd, address(port), 16]), wanted);
        }
      },
    );
    deepStrictEqual(outputs(alerts), [
      `127.0.0.1:${host.ports.open} SUCCESS`,
      `127.0.0.1:${host.ports.closed} ECONNREFUSED`,
    ]);
  },
  'several rules of one event are raised in their order': async (host) => {
    const path = await make(host, 'watched.txt');
    const rule = (name: string, condition: string): CaseRule => ({ name, condition, output: name });
    const { alerts } = await watch(
      host,
      [
        rule('by name', openRule.condition),
        rule('by another name', `${OPEN} and fd.filename = other.txt`),
        rule('by process', `${OPEN} and fd.filename = watched.txt and proc.name = suite-driver`),
        rule('not by process', `${OPEN} and fd.filename = watched.txt and not proc.name = suite-driver`),
      ],
      async () => {
        await open(host.task, path);
      },
    );
    deepStrictEqual(outputs(alerts), ['by name', 'by process']);
  },
});

export const limitCases = group('limits and losses', [`hook:${HOOK}`], {
  'a token bucket lets a burst through and counts the rest': async (host) => {
    const path = await make(host, 'watched.txt');
    const { alerts, summary } = await watch(
      host,
      [openRule],
      async () => {
        for (let i = 0; i < 20; i++) await open(host.task, path);
      },
      { limit: { perSecond: 0.001, burst: 3 } },
    );
    strictEqual(alerts.length, 3);
    deepStrictEqual(
      summary.heldBack.map(({ rule, cgroup, records }) => [rule, cgroup, records]),
      [['seen', host.scope, 17]],
    );
  },
  'each rule has a bucket of its own': async (host) => {
    const path = await make(host, 'watched.txt');
    const { alerts } = await watch(
      host,
      [
        { ...openRule, name: 'one' },
        { ...openRule, name: 'other', condition: `${OPEN} and fd.filename = watched.txt` },
      ],
      async () => {
        for (let i = 0; i < 5; i++) await open(host.task, path);
      },
      { limit: { perSecond: 0.001, burst: 2 } },
    );
    deepStrictEqual(alerts.map(({ rule }) => rule).sort(), ['one', 'one', 'other', 'other']);
  },
  'what finds no room is counted exactly': async (host) => {
    const path = await make(host, 'watched.txt');
    const opens = 100;
    const { alerts, summary } = await watch(
      host,
      [openRule],
      async () => {
        for (let i = 0; i < opens; i++) await host.task.call('close', [await open(host.task, path)]);
      },
      { rings: { critical: 4096, events: 4096 } },
    );
    const ring = summary.rings.find(({ hook, ring: name }) => hook === HOOK && name === 'events');
    strictEqual((ring?.received ?? 0) + (ring?.lost ?? 0), opens);
    strictEqual(alerts.length, ring?.received);
    // On Linux a thread of its own may have drained in time.
    if (host.kind === 'sim') strictEqual((summary.lost.get(HOOK) ?? 0) > 0, true);
  },
  'critical records have a ring buffer of their own': async (host) => {
    const [low, high] = [await make(host, 'watched.txt'), await make(host, 'critical.txt')];
    const { alerts } = await watch(
      host,
      [
        openRule,
        { name: 'high', condition: `${OPEN} and fd.filename = critical.txt`, output: 'high', priority: 'critical' },
      ],
      async () => {
        for (let i = 0; i < 60; i++) await host.task.call('close', [await open(host.task, low)]);
        await open(host.task, high);
      },
      { rings: { critical: 4096, events: 4096 } },
    );
    strictEqual(alerts.filter(({ rule }) => rule === 'high').length, 1);
  },
});

const denyRule: CaseRule = { ...openRule, action: 'deny', priority: 'critical', output: '%fd.name' };

export const enforcingCases = group('enforcing policies', ['hook:lsm/file_open', 'enforcement'], {
  'deny: the call fails with EPERM, and the alert says so': async (host) => {
    const path = await make(host, 'watched.txt');
    const { alerts, summary } = await watch(
      host,
      [denyRule],
      async () => {
        strictEqual(await open(host.task, path), -EPERM);
      },
      { enforce: true },
    );
    deepStrictEqual(
      alerts.map(({ output, verdict, enforced, hook }) => [output, verdict, enforced, hook]),
      [[path, 'deny', true, 'lsm/file_open']],
    );
    strictEqual(summary.denied, 1);
  },
  'deny: through a symbolic link and by a 32-bit call too': [
    ['ia32'],
    async (host) => {
      const path = await make(host, 'watched.txt');
      strictEqual(await host.task.call('symlinkat', [path, AT_FDCWD, `${host.folder}/innocent`]), 0);
      const { alerts } = await watch(
        host,
        [denyRule],
        async () => {
          strictEqual(await open(host.task, `${host.folder}/innocent`), -EPERM);
          strictEqual(await host.task.call('open', [path, 0, 0], 'ia32'), -EPERM);
        },
        { enforce: true },
      );
      strictEqual(alerts.length, 2);
    },
  ],
  'deny: others may, and so may everybody afterwards': async (host) => {
    const path = await make(host, 'watched.txt');
    const outsider = await host.outsider();
    await watch(
      host,
      [denyRule],
      async () => {
        strictEqual((await open(outsider, path)) >= 0, true);
        strictEqual(await open(host.task, path), -EPERM);
      },
      { enforce: true },
    );
    strictEqual((await open(host.task, path)) >= 0, true);
  },
  'monitor: nothing is denied, and the alert says what would have been': async (host) => {
    const path = await make(host, 'watched.txt');
    const { alerts, summary } = await watch(host, [denyRule], async () => {
      strictEqual((await open(host.task, path)) >= 0, true);
    });
    deepStrictEqual(
      alerts.map(({ output, enforced }) => [output, enforced]),
      [[path, false]],
    );
    strictEqual(summary.denied, 0);
  },
  'kill: a program that is executed never runs': async (host) => {
    const { alerts, summary } = await watch(
      host,
      [
        {
          condition: 'evt.type in (execve, execveat) and proc.args contains doomed',
          output: '%proc.cmdline',
          action: 'kill',
          priority: 'critical',
        },
      ],
      async () => {
        const child = await host.task.fork();
        await child.last('execve', [host.program, ['x', 'doomed'], []]);
        const other = await host.task.fork();
        strictEqual(await other.call('execve', [host.program, ['x', 'spared'], []]), 0);
      },
      { enforce: true },
    );
    deepStrictEqual(
      alerts.map(({ output, verdict, enforced }) => [output, verdict, enforced]),
      [['suite-driver doomed', 'kill', true]],
    );
    strictEqual(summary.killed, 1);
  },
});
