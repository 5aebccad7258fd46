import type { ContainerFacts, SimHost } from '../../../../sensors/index.ts';
import { CGROUPS, containerFacts } from './containers.ts';
import type { Context, Happened } from './context.ts';
import type { Known } from './known.ts';
import { commOf } from './processes.ts';

const LINKS: ReadonlyMap<string, string> = new Map([
  ['/bin', 'usr/bin'],
  ['/sbin', 'usr/sbin'],
  ['/w/link.txt', 'a.txt'],
  ['/w/dirlink', 'sub'],
  ['/usr/bin/python', 'python3'],
]);

export const LONG = `/w/${'x'.repeat(150)}/${'y'.repeat(120)}`;
/** The longest path that is read, and one byte more. */
export const LONGEST = `/w/${'x'.repeat(150)}/${'l'.repeat(100)}`;
export const TOO_LONG = `/w/${'x'.repeat(150)}/${'l'.repeat(101)}`;

const plant = (host: SimHost): void => {
  const { fs } = host;
  for (const folder of ['/w', '/w/sub/deep', '/w/n', '/w/mnt', LONG.slice(0, LONG.lastIndexOf('/'))])
    fs.mkdir(folder, 0o777);
  for (const file of [
    '/w/a.txt',
    '/w/b.log',
    '/w/sub/c.txt',
    '/w/sub/deep/d.conf',
    '/tmp/t.txt',
    LONG,
    LONGEST,
    TOO_LONG,
  ])
    fs.write(file, 'some text', 0o666);
  for (const program of [
    '/w/daemon-with-a-long-name',
    '/w/tool',
    '/w/sub/tool2',
    '/w/sub/tool',
    '/w/Bash',
    '/w/catt',
    '/w/ca',
  ])
    fs.write(program, '\x7fELF', 0o755);
  fs.overlay('/layers');
  fs.symlink('a.txt', '/w/link.txt');
  fs.symlink('sub', '/w/dirlink');
  host.network.declareRemote('203.0.113.5', 4444, { reply: 'hello' });
  host.network.declareRemote('198.51.100.7', 443);
  host.network.declareRemote('2001:db8:1::5', 443);
};

export interface Standing {
  readonly exepath: string;
  readonly argv: readonly string[];
  readonly uid?: number;
  readonly cwd?: string;
  readonly cgroup?: string;
  readonly parent?: Known;
  readonly tty?: string;
  /** The first of a pid namespace of its own. */
  readonly isFirst?: boolean;
  readonly capabilities?: readonly string[];
}

/** The simulated host before anything happens on it. */
export interface World extends Context {
  /** A process that is there before it is looked at. */
  stand(standing: Standing): Known;
  /** The events since this was asked last. */
  take(): readonly Happened[];
}

/** A world of some processes, files and containers. */
export const createWorld = (host: SimHost, containers: readonly ContainerFacts[] = containerFacts()): World => {
  plant(host);
  const init: Known = {
    task: host.root,
    pid: 1,
    parent: undefined,
    name: 'systemd',
    exepath: '/usr/lib/systemd/systemd',
    argv: ['/sbin/init'],
    env: undefined,
    uid: 0,
    gid: 0,
    cwd: '/',
    isSeen: false,
    tty: undefined,
    vpid: 1,
    capabilities: undefined,
    cgroup: '/init.scope',
    fromMemory: false,
    hasRing: false,
    fds: new Map(),
  };
  const context: Context = { host, init, living: [], links: LINKS, containers, story: [], events: [] };
  return {
    ...context,
    stand: (standing) => {
      const { exepath, argv, uid = 0, cwd = '/w', cgroup = CGROUPS.host, parent = init, tty } = standing;
      const { isFirst = false, capabilities } = standing;
      const task = host.spawn({
        exepath,
        argv,
        uid,
        cwd,
        cgroup,
        parent: parent.task,
        ...(tty === undefined ? {} : { tty }),
        ...(isFirst ? { vpid: 1 } : {}),
        ...(capabilities === undefined ? {} : { capabilities }),
      });
      const process: Known = {
        task,
        pid: task.pid,
        parent,
        name: commOf(exepath),
        exepath,
        argv,
        env: undefined,
        uid,
        gid: uid,
        cwd,
        isSeen: false,
        tty,
        vpid: isFirst ? 1 : task.pid,
        capabilities,
        cgroup,
        fromMemory: false,
        hasRing: false,
        fds: new Map(),
      };
      context.living.push(process);
      return process;
    },
    take() {
      const { events } = this;
      this.events = [];
      return events;
    },
  };
};
