import { cpus } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { loadObject, mapOf } from '../agent/index.ts';
import { compile, HEAD, RINGS } from '../rules/index.ts';
import { bpfUnavailable, createProcessTable, createSimHost, type Kernel, openLinuxKernel } from '../sensors/index.ts';
import { type Measurement, median } from './harness.ts';
import { type BenchEvent, MATCHES, MOST_RULES, roundOfEvents, ruleSet } from './rule-set.ts';
import { compileWorkload, makePlace, type Place, startWorkload, writeInto } from './workload.ts';

const COUNTS = [1, 10, 100, MOST_RULES] as const;
/** What the whole set may cost, against ten of its rules. */
const MOST_OF_TEN = 2;
const TEN = 10;
/** Rounds of events a sample. */
const SIM_ROUNDS = 3;
const LIVE_ROUNDS = 50;
const AT_FDCWD = -100;
const AF_INET = 2;
const SIM_FOLDER = '/tmp/bench';
const RING_BYTES = 1 << 20;
/** How long no record may come before there are thought to be none. */
const LOOK_MS = 50;
const QUIET_LOOKS = 6;

/** Compiled rules in a kernel, watching a scope; `drain` empties the ring buffers and says how many records there were. */
const load = (kernel: Kernel, scope: string, folder: string, count: number) => {
  const compiled = compile(ruleSet(folder, count), { level: kernel.features.level });
  const wrong = compiled.diagnostics.find(({ severity }) => severity === 'error');
  if (wrong !== undefined) throw new Error(wrong.message);
  const { maps, links } = loadObject({
    kernel,
    scope,
    compiled,
    enforce: false,
    agentPid: 0,
    protect: [],
    processes: createProcessTable(),
    rings: { critical: RING_BYTES, events: RING_BYTES },
  });
  const stream = kernel.stream(
    RINGS.map((ring) => mapOf(maps, ring)),
    HEAD.time,
  );
  return {
    drain: (): number => {
      let records = 0;
      stream.consume(() => {
        records++;
      });
      return records;
    },
    detach: () => {
      for (const link of links) kernel.detach(link);
    },
  };
};

/** @throws Error where rounds of events under the whole set raised something else than their matches */
const checkRecords = (count: number, rounds: number, records: number): void => {
  if (count === MOST_RULES && records !== MATCHES * rounds)
    throw new Error(`${records} records of ${MATCHES * rounds} matches: this did not measure what it says`);
};

/** A simulated host whose only task makes rounds of events under the first `count` rules. */
const simulated = (count: number) => {
  const host = createSimHost({ memory: 128 * 1024 * 1024, engine: 'jit' });
  const events = roundOfEvents(SIM_FOLDER);
  for (const event of events) if (event.call === 'openat') host.fs.write(event.path, 'x', 0o600);
  const { drain } = load(host.kernel, '/', SIM_FOLDER, count);
  const task = host.spawn({ exepath: '/usr/bin/bash', argv: ['bash'] });
  const { result: socket } = host.call(task, 'socket', [AF_INET, 2, 0]);
  const make = (event: BenchEvent): void => {
    switch (event.call) {
      case 'openat': {
        const { result } = host.call(task, 'openat', [AT_FDCWD, event.path, 0, 0]);
        host.call(task, 'close', [result]);
        return;
      }
      case 'connect':
        host.call(task, 'connect', [socket, { address: event.address, port: event.port }]);
        return;
      case 'kill':
        host.call(task, 'kill', [event.pid, 0]);
        return;
      case 'getppid':
        host.call(task, 'getppid', []);
        return;
      default:
        host.call(task, event.call, [AT_FDCWD, event.path, 0, 0]);
    }
  };
  host.kernel.enableStatistics();
  return () => {
    const before = runTime(host.kernel);
    for (let round = 0; round < SIM_ROUNDS; round++) for (const event of events) make(event);
    checkRecords(count, SIM_ROUNDS, drain());
    return (runTime(host.kernel) - before) / (SIM_ROUNDS * events.length);
  };
};

/** What an event costs in the machine's JIT. */
const inMachine = (samples: number): ReadonlyMap<number, readonly number[]> => {
  const hosts = COUNTS.map((count) => [count, simulated(count)] as const);
  const values = new Map<number, number[]>(COUNTS.map((count) => [count, []]));
  for (let round = 0; round <= samples; round++)
    for (const [count, sample] of hosts) {
      const ns = sample();
      if (round > 0) values.get(count)?.push(ns);
    }
  return values;
};

const lineOf = (event: BenchEvent): string => {
  if (event.call === 'connect') return `connect ${event.address} ${event.port}`;
  if (event.call === 'kill') return `kill ${event.pid}`;
  return event.call === 'getppid' ? event.call : `${event.call} ${event.path}`;
};

/** What an event of a workload in a cgroup of its own costs by the running kernel's run_time_ns. */
const inKernel = async (place: Place, samples: number): Promise<ReadonlyMap<number, readonly number[]>> => {
  const events = roundOfEvents(place.folder);
  for (const event of events)
    if (event.call === 'openat') writeInto(place, event.path.slice(place.folder.length + 1), 'x');
  const list = writeInto(place, 'events.txt', `${events.map(lineOf).join('\n')}\n`);
  const program = compileWorkload(place, 'events');
  const values = new Map<number, number[]>(COUNTS.map((count) => [count, []]));
  for (let round = 0; round < samples; round++)
    for (const count of COUNTS) {
      const kernel = openLinuxKernel({ scope: place.cgroup });
      try {
        kernel.enableStatistics();
        const { drain, detach } = load(kernel, place.cgroup, place.folder, count);
        const workload = startWorkload([program, String(cpus().length - 1), list], place.cgroup);
        try {
          await workload.ask('0');
          await settled(drain);
          const before = runTime(kernel);
          const made = Number(await workload.ask(String(LIVE_ROUNDS)));
          values.get(count)?.push((runTime(kernel) - before) / made);
          checkRecords(count, LIVE_ROUNDS, await settled(drain));
        } finally {
          await workload.close();
          detach();
        }
      } finally {
        kernel.close();
      }
    }
  return values;
};

/** All records there are, once no more come: those of the running kernel come by a worker. */
const settled = async (drain: () => number): Promise<number> => {
  let records = 0;
  for (let quiet = 0; quiet < QUIET_LOOKS; quiet++) {
    await setTimeout(LOOK_MS);
    const more = drain();
    records += more;
    if (more > 0) quiet = 0;
  }
  return records;
};

const runTime = (kernel: Kernel): number =>
  kernel.stats().reduce((sum, { hook, ns }) => sum + (hook === 'tp_btf/sys_exit' ? ns : 0), 0);

const rounded = (value: number): number => Number(value.toPrecision(4));

const rowsOf = (where: string, values: ReadonlyMap<number, readonly number[]>): readonly Measurement[] =>
  COUNTS.map((count) => {
    const own = values.get(count) ?? [];
    const ten = median(values.get(TEN) ?? []);
    const row = {
      suite: 'rules',
      name: `an event under ${count} rule${count === 1 ? '' : 's'}, ${where}`,
      unit: 'ns/event',
      median: rounded(median(own)),
      samples: own.length,
    };
    if (count <= TEN) return row;
    const ratio = median(own) / ten;
    const compared = { ...row, baseline: rounded(ten), ratio: rounded(ratio) };
    if (count !== MOST_RULES) return compared;
    return { ...compared, target: { most: MOST_OF_TEN, of: 'ratio' }, met: ratio <= MOST_OF_TEN } as const;
  });

/** What an event costs under 1 to 1,000 rules: in the simulated kernel and, where this machine lets it, in the running one. */
export const costOfRules = async (samples: number): Promise<readonly Measurement[]> => {
  const rows = [...rowsOf("in the machine's JIT", inMachine(samples))];
  const reason = bpfUnavailable();
  if (reason !== undefined) {
    process.stderr.write(`bench: rules in the running kernel are left out: ${reason}\n`);
    return rows;
  }
  const place = makePlace();
  try {
    return [...rows, ...rowsOf("by the running kernel's run_time_ns", await inKernel(place, Math.min(samples, 5)))];
  } finally {
    place.close();
  }
};
