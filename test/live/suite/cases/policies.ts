import { deepStrictEqual, strictEqual } from 'node:assert';
import type { FeatureLevel } from '../../../../engine/object/index.ts';
import { AF_INET, AT_FDCWD, loopback, make, O_CREAT_WRONLY, open, SOCK_STREAM } from '../calls.ts';
import { group } from '../case.ts';
import type { Host } from '../host.ts';
import { type CaseRule, OPEN, OPEN_RULE, outputs, watch } from '../policies.ts';

const HOOK = 'tp_btf/sys_exit';
const ENOENT = 2;
const ECONNREFUSED = 111;

/** One alert for an open, from an object of this level. */
const atLevel = (level: FeatureLevel) => async (host: Host) => {
  const path = await make(host, 'watched.txt');
  const { alerts, summary } = await watch(
    host,
    [OPEN_RULE],
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
    const { alerts } = await watch(host, [OPEN_RULE], async () => {
      await open(host.task, `${host.folder}/innocent`);
    });
    deepStrictEqual(outputs(alerts), [`openat ${path} suite-driver SUCCESS`]);
    strictEqual(alerts[0]?.trust['fd.name'], 'contestable');
  },
  'a relative path is made whole': async (host) => {
    const path = await make(host, 'watched.txt');
    strictEqual(await host.task.call('chdir', [host.folder]), 0);
    const { alerts } = await watch(host, [OPEN_RULE], async () => {
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
  'a file that lies in no folder has the path that it was opened by': async (host) => {
    const { alerts } = await watch(
      host,
      [{ condition: `${OPEN} and fd.name startswith /proc/`, output: '%fd.name %fd.typechar' }],
      async () => {
        for (const path of ['/proc/self/ns/mnt', '/proc/self/./ns/uts'])
          strictEqual((await open(host.task, path)) >= 0, true);
      },
    );
    deepStrictEqual(outputs(alerts), ['/proc/self/ns/mnt f', '/proc/self/ns/uts f']);
    strictEqual(alerts[0]?.trust['fd.name'], 'as passed');
  },
  'a 32-bit open is the same event': [
    ['ia32'],
    async (host) => {
      const path = await make(host, 'watched.txt');
      const { alerts } = await watch(host, [OPEN_RULE], async () => {
        strictEqual((await host.task.call('open', [path, 0, 0], 'ia32')) >= 0, true);
      });
      deepStrictEqual(outputs(alerts), [`open ${path} suite-driver SUCCESS`]);
    },
  ],
  'a failed open has its path as it was passed': async (host) => {
    const path = `${host.folder}/watched.txt`;
    const { alerts } = await watch(host, [OPEN_RULE], async () => {
      strictEqual(await open(host.task, path), -ENOENT);
    });
    deepStrictEqual(outputs(alerts), [`openat ${path} suite-driver ENOENT`]);
    strictEqual(alerts[0]?.trust['fd.name'], 'as passed');
  },
  'tasks outside of the scope raise nothing': async (host) => {
    const path = await make(host, 'watched.txt');
    const outsider = await host.outsider();
    const { alerts } = await watch(host, [OPEN_RULE], async () => {
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
    const { alerts } = await watch(host, [OPEN_RULE], async () => {
      strictEqual(await child.call('chroot', [path]), 0);
      strictEqual(await child.call('chdir', ['/']), 0);
      strictEqual((await child.call('openat', [AT_FDCWD, '/watched.txt', O_CREAT_WRONLY, 0o644])) >= 0, true);
    });
    deepStrictEqual(outputs(alerts), [`openat ${path}/watched.txt suite-driver SUCCESS`]);
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
          strictEqual(await host.task.call('connect', [fd, loopback(port), 16]), wanted);
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
        rule('by name', OPEN_RULE.condition),
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
