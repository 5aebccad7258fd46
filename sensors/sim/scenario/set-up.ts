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

/** The members of SpawnOptions that an identity decides; who is given a user and no group is in the user's own. */
export const spawnIdentity = (identity: Identity): Partial<SpawnOptions> => {
  const { uid, gid = uid, groups, loginuid, cwd, cgroup, tty, capabilities, vpid } = identity;
  return {
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
    ...(groups === undefined ? {} : { groups }),
    ...(loginuid === undefined ? {} : { loginuid }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(cgroup === undefined ? {} : { cgroup }),
    ...(tty === undefined ? {} : { tty }),
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(vpid === undefined ? {} : { vpid }),
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

/** Lets a process listen, with whatever rights it has: it may have got the socket from its parent. */
const listen = (host: SimHost, { task, descriptors }: Actor, { address, port }: Endpoint): boolean => {
  if (host.network.reachable(address, port)) return false;
  const family = address.includes(':') ? AF_INET6 : AF_INET;
  const fd = host.call(task, 'socket', [family, SOCK_STREAM, 0]).result;
  host.call(task, 'bind', [fd, { address, port }], { recorded: { result: 0 } });
  host.call(task, 'listen', [fd, BACKLOG]);
  descriptors.set(['socket', 'listener', 'last'], { kind: 'open', fd });
  descriptors.bind(fd, port);
  return host.network.reachable(address, port);
};

/** Puts a file there; the folders that are missing above it are its owner's. */
const addFile = ({ fs }: SimHost, { path, content, mode, uid, gid, layer }: ScenarioFile): void => {
  for (let slash = path.indexOf('/', 1); slash > 0; slash = path.indexOf('/', slash + 1)) {
    const folder = path.slice(0, slash);
    if (!fs.exists(folder)) fs.mkdir(folder, FOLDER_MODE, uid, gid);
  }
  fs.write(path, content, mode, uid, gid);
  if (layer === 'upper') fs.copyUp(path);
};

/** Makes a host what a scenario says it is before anything happens. @throws Error for what no host can be */
export const setUp = (host: SimHost, scenario: Scenario): Map<string, Actor> => {
  const actors = new Map<string, Actor>();
  actors.set('systemd', { task: host.root, descriptors: new Descriptors(), env: ENVIRONMENT });
  for (const path of scenario.host.overlays) host.fs.overlay(path);
  for (const file of scenario.host.files) addFile(host, file);
  for (const program of scenario.host.programs) addProgram(host, program);
  const declared = new Set(scenario.host.processes.map(({ name }) => name));
  const processes = [
    ...USUAL.filter(({ name }) => !declared.has(name)).map((usual) => ({
      ...usual,
      env: undefined,
      listen: [],
      position: undefined,
      ...(scenario.cgroup === undefined ? {} : { cgroup: scenario.cgroup }),
    })),
    ...scenario.host.processes,
  ];
  for (const { name, path, argv, env, parent, listen: endpoints, position, ...identity } of processes) {
    const above = parent === undefined ? undefined : actors.get(parent);
    const exepath = path ?? findProgram(host, name) ?? `/usr/bin/${name}`;
    const environment = env ?? above?.env ?? ENVIRONMENT;
    const task = host.spawn({
      exepath,
      argv: argv ?? [name],
      env: environment,
      ...(above === undefined
        ? { cgroup: scenario.cgroup ?? `/system.slice/${name}.service` }
        : { parent: above.task, uid: above.task.uid, gid: above.task.gid }),
      ...spawnIdentity(identity),
    });
    const actor = { task, descriptors: new Descriptors(), env: environment };
    actors.set(name, actor);
    for (const endpoint of endpoints) {
      if (listen(host, actor, endpoint)) continue;
      const where = position === undefined ? '' : `${position.file}:${position.line}: `;
      const what = `${endpoint.address} port ${endpoint.port}`;
      throw new Error(`${where}${name} can't listen on ${what}: somebody else does, or it is another host's address`);
    }
  }
  for (const { address, port, reply } of scenario.host.remotes) host.network.declareRemote(address, port, { reply });
  for (const { from, port, data } of scenario.host.incoming) host.network.incoming(from, port, data);
  if (scenario.provides) provide(host, scenario.steps);
  return actors;
};
