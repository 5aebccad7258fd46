import type { FeatureLevel } from '../../../engine/object/index.ts';
import { createSimHost, type Kernel, type SimHost, type SimTask } from '../../../sensors/index.ts';
import type { Argument, Host, Need, Task } from './host.ts';
import type { Place } from './runner.ts';

const FOLDER = '/tmp/shrike-suite';
const SCOPE = '/shrike-suite/scope';
const BESIDE = '/shrike-suite/beside';
const PROGRAM = `${FOLDER}/suite-driver`;
const MEMORY = 32 * 1024 * 1024;
const SIGCHLD = 17;
/** What pthread_create passes: memory, files and signal handlers are shared, one process. */
const THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000;

const LACKS: Readonly<Record<string, string>> = {
  linux: 'it is about Linux alone',
  'own-machine': 'it is about Linux alone',
};

const asTask = (host: SimHost, task: SimTask): Task => ({
  get pid() {
    return task.pid;
  },
  get tgid() {
    return task.tgid;
  },
  async call(name, args = [], abi = 'x86-64') {
    const { result } = host.call(task, name, args as readonly Argument[], { abi });
    if (!task.alive) throw new Error(`${name} did not return`);
    return result;
  },
  async last(name, args = []) {
    host.call(task, name, args as readonly Argument[]);
    if (task.alive) throw new Error(`${name} returned`);
  },
  async fork(how = 'fork') {
    const { result } = host.call(task, 'clone', [how === 'fork' ? SIGCHLD : THREAD, 0]);
    const child = host.task(result);
    if (!child) throw new Error(`clone returned ${result}`);
    return asTask(host, child);
  },
  alive: () => task.alive,
});

/** The simulated kernel at a feature level. */
export const simPlace = (level: FeatureLevel): Place => {
  const { hooks } = createSimHost({ level, memory: MEMORY }).kernel.features;
  return {
    name: `sim ${level}`,
    lacks(need: Need) {
      if (Object.hasOwn(LACKS, need)) return LACKS[need];
      if (need.startsWith('level:'))
        return isBelow(level, need.slice('level:'.length)) ? `${level} is asked for` : undefined;
      if (!need.startsWith('hook:')) return undefined;
      const hook = need.slice('hook:'.length);
      return canFire(hook, hooks) ? undefined : `the simulated kernel has no hook ${hook}`;
    },
    async open(onProgram) {
      const sim = createSimHost({ level, memory: MEMORY });
      const kernel: Kernel = {
        ...sim.kernel,
        loadProgram(spec, maps) {
          onProgram(spec);
          return sim.kernel.loadProgram(spec, maps);
        },
      };
      sim.fs.mkdir(FOLDER, 0o755);
      sim.fs.write(PROGRAM, '\x7fELF', 0o755);
      sim.fs.write('/bin/sh', '\x7fELF', 0o755);
      const spawn = (cgroup: string): SimTask =>
        sim.spawn({ exepath: PROGRAM, argv: [PROGRAM], env: [], uid: 0, cwd: '/', cgroup });
      const server = sim.spawn({ exepath: '/usr/sbin/suite-server', uid: 0, cgroup: '/' });
      const open = 45_001;
      const { result: listener } = sim.call(server, 'socket', [2, 1, 0]);
      sim.call(server, 'bind', [listener, { address: '127.0.0.1', port: open }]);
      sim.call(server, 'listen', [listener, 64]);
      const host: Host = {
        kind: 'sim',
        kernel,
        folder: FOLDER,
        program: PROGRAM,
        programBytes: () => sim.fs.readBytes(PROGRAM),
        scope: SCOPE,
        task: asTask(sim, spawn(SCOPE)),
        outsider: async () => asTask(sim, spawn(BESIDE)),
        ports: { open, closed: 45_002 },
        createMap: (spec) => kernel.createMap(spec),
        load: (spec, maps = []) => kernel.loadProgram(spec, new Map(maps.map((map) => [map.spec.name, map]))),
        attach: (program) => kernel.attach(program, { cgroup: SCOPE }),
        countRuns: () => undefined,
        sleep: async (milliseconds) => sim.advance(milliseconds * 1_000_000),
      };
      return { ...host, close: async () => kernel.close() };
    },
  };
};

const isBelow = (level: FeatureLevel, wanted: string): boolean =>
  Number(level.split('.')[1]) < Number(wanted.split('.')[1]);

/** Whether the simulated kernel has a hook; in its list a star stands for any system call. */
const canFire = (hook: string, known: readonly string[]): boolean =>
  known.some((name) => (name.endsWith('*') ? hook.startsWith(name.slice(0, -1)) : name === hook));
