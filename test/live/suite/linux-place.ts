import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { assemble, exit, mov, R0 } from '../../../engine/isa/index.ts';
import { BpfError, type LinuxKernel, openLinuxKernel } from '../../../sensors/index.ts';
import { testCgroup } from '../../support/live.ts';
import { type Driver, startDriver } from './driver.ts';
import type { Host, Need } from './host.ts';
import { confined, SCOPE } from './programs.ts';
import type { Place } from './runner.ts';

export interface LinuxPlaceOptions {
  /** driver.c, built. */
  readonly driver: string;
  /** Nobody else uses this machine: programs may refuse calls and kill, and the whole host may be the scope. */
  readonly ownMachine: boolean;
}

/** Fields and calls that every kernel from 6.1 on has, for each kind of hook a trial attaches to. */
const TRIALS: Readonly<Record<string, string>> = {
  'lsm/': 'lsm/file_open',
  'kprobe/': 'kprobe/__x64_sys_getppid',
  'fentry/': 'fentry/security_file_open',
  'fexit/': 'fexit/security_file_open',
  'tp/': 'tp/syscalls/sys_enter_getppid',
  'raw_tp/': 'raw_tp/sys_enter',
  'tp_btf/': 'tp_btf/sys_enter',
  'cgroup/': 'cgroup/connect4',
};

const familyOf = (hook: string): string => hook.slice(0, hook.indexOf('/') + 1);

/** Why no program of this kind can be attached here; found by attaching one that passes over every task. */
const tryHook = (kernel: LinuxKernel, hook: string): string | undefined => {
  try {
    const map = kernel.createMap(SCOPE);
    const isCgroup = hook.startsWith('cgroup/');
    const code = isCgroup ? assemble([mov(R0, 1), exit()]) : confined([mov(R0, 0)]);
    const program = kernel.loadProgram({ name: 'trial', hook, ...code }, new Map([[SCOPE.name, map]]));
    if (!isCgroup) kernel.detach(kernel.attach(program));
    return undefined;
  } catch (error) {
    const reason = error instanceof BpfError ? `${error.call} ${error.errno}` : (error as Error).message;
    return `this kernel takes no ${familyOf(hook)} programs (${reason})`;
  }
};

const listen = (): Promise<{ readonly server: Server; readonly port: number }> =>
  new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.on('error', () => undefined).resume());
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (address === null || typeof address === 'string') reject(new Error('no port'));
      else resolve({ server, port: address.port });
    });
  });

const closeServer = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

/** The running kernel: tasks live in cgroups that are made for the case. */
export const linuxPlace = ({ driver, ownMachine }: LinuxPlaceOptions): Place => {
  const probing = openLinuxKernel();
  const { features } = probing;
  const reasons = new Map<string, string | undefined>();
  const why = (hook: string): string | undefined => {
    const trial = TRIALS[familyOf(hook)];
    if (trial === undefined) return `nobody knows how to try ${hook}`;
    if (!reasons.has(trial)) reasons.set(trial, tryHook(probing, trial));
    return reasons.get(trial);
  };
  return {
    name: `Linux ${features.name}`,
    lacks(need: Need) {
      if (need.startsWith('hook:')) return why(need.slice('hook:'.length));
      if (need === 'shell') return existsSync('/bin/sh') ? undefined : 'there is no /bin/sh';
      if (need === 'sim') return 'it is about the simulated kernel alone';
      if (need === 'enforcement' && !ownMachine) return 'no program may refuse calls on a machine that others use';
      if (need === 'own-machine' && !ownMachine) return 'others use this machine';
      if (need === 'level:6.9' && features.level === '6.1') return 'this kernel is older than 6.9';
      if (need === 'level:6.12' && features.level !== '6.12') return 'this kernel is older than 6.12';
      return undefined;
    },
    async open(onProgram) {
      const parent = testCgroup();
      const scope = parent.child('scope');
      const beside = parent.child('beside');
      const folder = mkdtempSync(join(tmpdir(), 'shrike-suite-'));
      chmodSync(folder, 0o755);
      const program = join(folder, 'suite-driver');
      copyFileSync(driver, program);
      chmodSync(program, 0o755);
      const drivers: Driver[] = [];
      const started = async (cgroup: typeof scope): Promise<Driver['task']> => {
        const one = await startDriver(program, (command, args, options) => cgroup.start(command, args, options));
        drivers.push(one);
        return one.task;
      };
      const task = await started(scope);
      const { server, port: open } = await listen();
      const { server: other, port: closed } = await listen();
      await closeServer(other);
      const linux = openLinuxKernel({ scope: parent.path, features });
      const kernel: LinuxKernel = {
        ...linux,
        loadProgram(spec, maps) {
          onProgram(spec);
          return linux.loadProgram(spec, maps);
        },
      };
      const host: Host = {
        kind: 'linux',
        kernel,
        folder,
        program,
        programBytes: () => readFileSync(program),
        scope: scope.path,
        task,
        outsider: () => started(beside),
        ports: { open, closed },
        createMap: (spec) => kernel.createMap(spec),
        load: (spec, maps = []) => kernel.loadProgram(spec, new Map(maps.map((map) => [map.spec.name, map]))),
        attach: (loaded) =>
          loaded.hook.startsWith('cgroup/') ? kernel.attach(loaded, { cgroup: scope.path }) : kernel.attach(loaded),
        countRuns: () => kernel.enableStatistics(),
        sleep: (milliseconds) => delay(milliseconds),
      };
      return {
        ...host,
        async close() {
          kernel.close();
          for (const one of drivers) await one.close();
          await parent.remove();
          await closeServer(server);
          rmSync(folder, { recursive: true, force: true });
        },
      };
    },
  };
};
