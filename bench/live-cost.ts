import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { assemble, exit, mov, R0 } from '../engine/isa/index.ts';
import { compile } from '../rules/index.ts';
import { type Kernel, type LoadedProgram, openLinuxKernel } from '../sensors/index.ts';
import { library } from './agent.ts';
import { type Measurement, median } from './harness.ts';
import { agentRows, startShrike } from './live-agent.ts';
import { compileWorkload, ended, heard, type Place, startWorkload, type Workload, writeInto } from './workload.ts';

/** Calls between two looks at the clock, and how often: the middle one of the batches counts. */
const WORK = { getppid: { batches: 100, calls: 2000 }, open: { batches: 200, calls: 100 } } as const;
/** What strace makes ten times slower, and dear. */
const SLOW_BATCHES = 10;
const MOST_OF_EMPTY = 1.25;
const MOST_OF_BPFTRACE = 1 / 3;
/** The CPU that workloads keep to, the last one; agents may use all. */
const CPU = String(cpus().length - 1);

type CallName = keyof typeof WORK;
const CALLS: readonly CallName[] = ['getppid', 'open'];
const PLACES = ['inside', 'outside'] as const;

/** Something that watches, and stops. */
interface Watcher {
  readonly name: string;
  start(): Promise<() => Promise<void>>;
}

/** An empty program on the hook of Shrike's detection: what the hook itself costs. It sees nothing. */
const emptyProgram = (kernel: Kernel): Watcher => {
  const { instructions, relocations, lines } = assemble([mov(R0, 0), exit()]);
  const program: LoadedProgram = kernel.loadProgram(
    { name: 'empty', hook: 'tp_btf/sys_exit', instructions, relocations, lines },
    new Map(),
  );
  return {
    name: 'an empty program',
    start: () => {
      const link = kernel.attach(program);
      return Promise.resolve(() => Promise.resolve(kernel.detach(link)));
    },
  };
};

/** What was seen of a run of the agent. */
type AgentRun = Parameters<typeof agentRows>[0][number];

/** The agent with all shipped policies; `note` is told of each run at its end. */
const shrike = (place: Place, note: (run: AgentRun) => void): Watcher => ({
  name: 'Shrike',
  start: async () => {
    const { startMs, memory, stop } = await startShrike(place);
    return () => {
      note({ startMs, ...memory() });
      return stop();
    };
  },
});

/** Runs bpftrace where tracefs is, which it needs and not every machine has mounted: read only, for bpftrace's own eyes. */
const WITH_TRACEFS =
  '[ -d /sys/kernel/tracing/events ] || mount -r -t tracefs tracefs /sys/kernel/tracing; exec bpftrace -e "$1"';

/** bpftrace with a program that only counts, in the place's cgroup alone. It attaches after BEGIN; an interval comes when it has. */
const bpftrace = (name: string, probe: string): Watcher => ({
  name,
  async start() {
    const program = `${probe} interval:ms:200 { printf("attached\\n"); }`;
    const child = spawn('unshare', ['-m', '--propagation', 'private', 'sh', '-c', WITH_TRACEFS, 'sh', program]);
    await heard(child, /attached\n.*attached/s);
    return async () => {
      child.kill('SIGINT');
      await ended(child);
    };
  },
});

/** Numbers of the system calls that the shipped policies name. */
const namedCalls = (): readonly number[] => {
  const { plan } = compile(
    library().flatMap((policy) => policy.rules),
    { level: '6.12' },
  );
  const events = plan.hooks.flatMap(({ hook, events }) => (hook === 'tp_btf/sys_exit' ? events : []));
  return [...new Set(events.map(({ event }) => event.nr))].filter((number) => number >= 0);
};

/** One filter on the calls that the policies name, with arguments and result, which bpftrace has at two places; and one on a single call. */
const peersOf = (cgroup: bigint): readonly Watcher[] => {
  const mine = `cgroup == ${cgroup}`;
  const named = namedCalls()
    .map((number) => `$id == ${number}`)
    .join(' || ');
  return [
    bpftrace(
      'bpftrace on the same calls',
      `tracepoint:raw_syscalls:sys_enter /${mine}/ { $id = args->id; if (${named}) { @argument[tid] = args->args[1]; } }
       tracepoint:raw_syscalls:sys_exit /${mine} && @argument[tid]/ { @calls[args->id] = count(); delete(@argument[tid]); }`,
    ),
    bpftrace(
      'bpftrace on openat alone',
      `tracepoint:syscalls:sys_enter_openat /${mine}/ { @name[tid] = args->filename; }
       tracepoint:syscalls:sys_exit_openat /${mine} && @name[tid] != 0/ {
         if (str(@name[tid]) == "/etc/shadow") { @opens = count(); }
         delete(@name[tid]);
       }`,
    ),
  ];
};

const NONE = 'no agent';
const STRACE = 'strace --seccomp-bpf';

const key = (watcher: string, place: string, call: CallName): string => `${watcher}/${place}/${call}`;

const ask = async (workload: Workload, call: CallName, batches: number = WORK[call].batches): Promise<number> =>
  Number(await workload.ask(`${call} ${batches} ${WORK[call].calls}`));

/** What calls cost under strace, which watches opens of a workload that it starts itself. */
const underStrace = async (command: readonly string[], place: Place, note: (call: CallName, ns: number) => void) => {
  const trace = ['strace', '-f', '--seccomp-bpf', '-e', 'trace=openat', '-o', join(place.folder, 'trace')];
  const workload = startWorkload([...trace, ...command], place.cgroup);
  try {
    for (const call of CALLS) note(call, await ask(workload, call, SLOW_BATCHES));
  } finally {
    await workload.close();
  }
};

/**
 * What a getppid and an openat with its close cost, inside and outside of the scope: nothing attached, and under each watcher in
 * turn, always one right after the other; what a watcher adds is the middle of the differences. Also what the agent itself takes.
 */
export const costOfCalls = async (place: Place, samples: number): Promise<readonly Measurement[]> => {
  const kernel = openLinuxKernel();
  const id = kernel.cgroupId(place.cgroup);
  if (id === undefined) throw new Error(`there is no cgroup ${place.cgroup}`);
  const runs: AgentRun[] = [];
  const watchers = [emptyProgram(kernel), shrike(place, (run) => runs.push(run)), ...peersOf(id)];
  const command = [compileWorkload(place, 'calls'), CPU, writeInto(place, 'data.txt', 'a file that no rule names\n')];
  const workloads = {
    inside: startWorkload(command, place.cgroup),
    outside: startWorkload(command),
  };
  const values = new Map<string, number[]>();
  const note = (watcher: string, where: string, call: CallName, ns: number): void => {
    const at = key(watcher, where, call);
    values.set(at, [...(values.get(at) ?? []), ns]);
  };
  try {
    for (let round = 0; round < samples; round++) {
      for (const watcher of watchers) {
        const alone = new Map<string, number>();
        for (const where of PLACES)
          for (const call of CALLS) {
            const ns = await ask(workloads[where], call);
            alone.set(`${where}/${call}`, ns);
            note(NONE, where, call, ns);
          }
        const stop = await watcher.start();
        try {
          for (const where of PLACES)
            for (const call of CALLS)
              note(
                watcher.name,
                where,
                call,
                (await ask(workloads[where], call)) - (alone.get(`${where}/${call}`) ?? 0),
              );
        } finally {
          await stop();
        }
      }
      await underStrace(command, place, (call, ns) => note(STRACE, 'inside', call, ns));
    }
  } finally {
    for (const where of PLACES) await workloads[where].close();
    kernel.close();
  }
  const costs = measurementsOf(
    watchers.map(({ name }) => name),
    (watcher, where, call) => values.get(key(watcher, where, call)) ?? [],
  );
  return [...costs, ...agentRows(runs)];
};

const rounded = (value: number): number => Number(value.toPrecision(4));

const measurementsOf = (
  watchers: readonly string[],
  of: (watcher: string, where: string, call: CallName) => readonly number[],
): readonly Measurement[] => {
  const [empty = '', shrike = '', filter = ''] = watchers;
  const row = (name: string, values: readonly number[], against?: readonly number[], most?: number): Measurement => {
    const ratio = against && median(values) / median(against);
    return {
      suite: 'live',
      name,
      unit: 'ns/call',
      median: rounded(median(values)),
      ...(against && ratio !== undefined && { baseline: rounded(median(against)), ratio: rounded(ratio) }),
      samples: values.length,
      ...(most !== undefined &&
        ratio !== undefined && { target: { most: rounded(most), of: 'ratio' }, met: ratio <= most }),
    };
  };
  return CALLS.flatMap((call) => {
    const title = call === 'open' ? 'openat and close' : call;
    const named = call !== 'getppid';
    return [
      ...PLACES.flatMap((where) => [
        row(`${title}, ${where}: ${NONE}`, of(NONE, where, call)),
        row(`${title}, ${where}: ${empty} adds`, of(empty, where, call)),
        row(
          `${title}, ${where}: ${shrike} adds, beside ${empty}`,
          of(shrike, where, call),
          of(empty, where, call),
          named ? undefined : MOST_OF_EMPTY,
        ),
        ...watchers.slice(2).map((peer) => row(`${title}, ${where}: ${peer} adds`, of(peer, where, call))),
        row(
          `${title}, ${where}: ${shrike} adds, beside ${filter}`,
          of(shrike, where, call),
          of(filter, where, call),
          named ? undefined : MOST_OF_BPFTRACE,
        ),
      ]),
      row(`${title}, inside: ${STRACE}, beside ${NONE}`, of(STRACE, 'inside', call), of(NONE, 'inside', call)),
    ];
  });
};
