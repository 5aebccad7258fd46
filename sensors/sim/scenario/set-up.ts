import type { SimHost, SimTask, SpawnOptions } from '../sim-host.ts';
import { AF_INET, AF_INET6, SOCK_STREAM } from '../uapi.ts';
import { Descriptors } from './descriptors.ts';
import { addProgram, findProgram, PATH } from './programs.ts';
import { provide } from './provide.ts';
import type { Endpoint, Identity, Scenario, ScenarioFile, ScenarioProcess } from './scenario.ts';

/** A process that steps can name. */
export interface Actor {
  readonly task: SimTask;
  readonly descriptors: Descriptors;
  readonly env: readonly string[];
}

const ENVIRONMENT = [`PATH=${PATH.join(':')}`, 'LANG=C.UTF-8'];
const BACKLOG = 128;
const FOLDER_MODE = 0o755;

/** The members of SpawnOptions that an identity decides. */
export const spawnIdentity = (identity: Identity): Partial<SpawnOptions> => {
  const { uid, gid, groups, loginuid, cwd, cgroup, tty } = identity;
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(groups === undefined ? {} : { groups }),
    ...(loginuid === undefined ? {} : { loginuid }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(cgroup === undefined ? {} : { cgroup }),
    ...(tty === undefined ? {} : { tty }),
  };
};

/** What every host has: somebody logged in over SSH, as root, at a terminal. */
const USUAL: readonly Omit<ScenarioProcess, 'position' | 'listen' | 'env'>[] = [
  { name: 'sshd', path: '/usr/sbin/sshd', argv: ['sshd'], parent: undefined, cgroup: '/system.slice/ssh.service' },
  {
    name: 'bash',
    path: '/usr/bin/bash',
    argv: ['-bash'],
    parent: 'sshd',
    cgroup: '/user.slice/user-0.slice/session-1.scope',
    cwd: '/root',
    tty: 'pts/0',
    loginuid: 0,
  },
];

const listen = (host: SimHost, actor: Actor, { address, port }: Endpoint): void => {
  const { task, descriptors } = actor;
  const family = address.includes(':') ? AF_INET6 : AF_INET;
  const fd = host.call(task, 'socket', [family, SOCK_STREAM, 0]).result;
  const bound = host.call(task, 'bind', [fd, { address, port }]).result;
  const heard = host.call(task, 'listen', [fd, BACKLOG]).result;
  if (fd < 0 || bound < 0 || heard < 0) {
    throw new Error(
      `${task.name} can't listen on ${address} port ${port}; is the port taken, or the address another host's?`,
    );
  }
  descriptors.set(['socket', 'listener', 'last'], { kind: 'open', fd });
  descriptors.bind(fd, port);
};

/** Puts a file there; the folders that are missing above it are its owner's. */
const addFile = ({ fs }: SimHost, { path, content, mode, uid, gid }: ScenarioFile): void => {
  for (let slash = path.indexOf('/', 1); slash > 0; slash = path.indexOf('/', slash + 1)) {
    const folder = path.slice(0, slash);
    if (!fs.exists(folder)) fs.mkdir(folder, FOLDER_MODE, uid, gid);
  }
  fs.write(path, content, mode, uid, gid);
};

/** Makes a host what a scenario says it is before anything happens. @throws Error for what no host can be */
export const setUp = (host: SimHost, scenario: Scenario): Map<string, Actor> => {
  const actors = new Map<string, Actor>();
  actors.set('systemd', { task: host.root, descriptors: new Descriptors(), env: ENVIRONMENT });
  for (const file of scenario.host.files) addFile(host, file);
  for (const program of scenario.host.programs) addProgram(host, program);
  const declared = new Set(scenario.host.processes.map(({ name }) => name));
  const processes = [
    ...USUAL.filter(({ name }) => !declared.has(name)).map((usual) => ({
      ...usual,
      env: undefined,
      listen: [],
      ...(scenario.cgroup === undefined ? {} : { cgroup: scenario.cgroup }),
    })),
    ...scenario.host.processes,
  ];
  for (const { name, path, argv, env, parent, listen: endpoints, ...identity } of processes) {
    const above = parent === undefined ? undefined : actors.get(parent);
    const exepath = path ?? findProgram(host, name) ?? `/usr/bin/${name}`;
    const environment = env ?? above?.env ?? ENVIRONMENT;
    const task = host.spawn({
      exepath,
      argv: argv ?? [name],
      env: environment,
      ...(above === undefined
        ? { cgroup: `/system.slice/${name}.service` }
        : { parent: above.task, uid: above.task.uid, gid: above.task.gid }),
      ...spawnIdentity(identity),
    });
    const actor = { task, descriptors: new Descriptors(), env: environment };
    actors.set(name, actor);
    for (const endpoint of endpoints) listen(host, actor, endpoint);
  }
  for (const { address, port, reply } of scenario.host.remotes) host.network.declareRemote(address, port, { reply });
  for (const { from, port, data } of scenario.host.incoming) host.network.incoming(from, port, data);
  if (scenario.provides) provide(host, scenario.steps);
  return actors;
};
