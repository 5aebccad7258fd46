import { readdirSync, readFileSync } from 'node:fs';
import { openLinuxKernel } from '../sensors/index.ts';
import { attachFlood, FLOOD_RECORD, type FloodCounts, type FloodSizes } from './flood.ts';
import { type Measurement, median } from './harness.ts';
import { compileWorkload, type Place, startWorkload } from './workload.ts';

const PUMP_MS = 2;
const MB = 1 << 20;
const RATE = 1_000_000;
const SECONDS = 10;
/** Clock ticks a second of /proc (USER_HZ). */
const TICKS = 100;

export interface FloodOptions {
  /** Path of the cgroup that the flood happens in. */
  readonly cgroup: string;
  /** bench/workloads/flood.c, compiled. */
  readonly program: string;
  readonly sizes: FloodSizes;
  /** Calls a second, and for how many seconds; rate 0: so many calls as fast as it goes. */
  readonly rate: number;
  readonly seconds: number;
  /** Calls a millisecond of the other kind. */
  readonly urgent: number;
}

/** What became of the records of a flood. */
export interface FloodResult extends FloodCounts {
  /** Calls that the workload made. */
  readonly calls: readonly [events: number, critical: number];
  readonly received: readonly [events: number, critical: number];
  /** Records that came behind a later one of their ring, or twice. */
  readonly disordered: number;
  /** Seconds that the calls took. */
  readonly seconds: number;
  /** Processors that this process kept busy meanwhile, and the busiest of its threads but the first, which drains. */
  readonly cores: number;
  readonly drainingCores: number;
}

/** Processor time of each thread of this process, in seconds (proc_pid_stat(5)). */
const threadTimes = (): ReadonlyMap<string, number> =>
  new Map(
    readdirSync('/proc/self/task').map((thread) => {
      const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [thread, (Number(fields[11]) + Number(fields[12])) / TICKS];
    }),
  );

/** Lets a workload flood the rings and reads them until nothing more comes. */
export const runFlood = async (options: FloodOptions): Promise<FloodResult> => {
  const { cgroup, program, sizes, rate, seconds, urgent } = options;
  const kernel = openLinuxKernel({ scope: cgroup });
  try {
    const { stream, counts } = attachFlood(kernel, cgroup, sizes);
    const received: [number, number] = [0, 0];
    const next = [0, 0];
    let disordered = 0;
    const handle = (record: Uint8Array): void => {
      const view = new DataView(record.buffer, record.byteOffset, FLOOD_RECORD.size);
      const ring = view.getUint32(FLOOD_RECORD.ring, true) === 1 ? 1 : 0;
      const sequence = view.getUint32(FLOOD_RECORD.sequence, true);
      if (sequence < (next[ring] ?? 0)) disordered++;
      next[ring] = sequence + 1;
      received[ring]++;
    };
    await stream.drain(handle);
    const workload = startWorkload([program, String(rate), String(seconds), String(urgent)], cgroup);
    const timer = setInterval(() => stream.consume(handle), PUMP_MS);
    const [threads, used] = [threadTimes(), process.cpuUsage()];
    const [events = 0, critical = 0, ns = 0] = (await workload.ask('go')).split(' ').map(Number);
    const { user, system } = process.cpuUsage(used);
    const draining = [...threadTimes()].map(([thread, time]) =>
      thread === String(process.pid) ? 0 : time - (threads.get(thread) ?? 0),
    );
    clearInterval(timer);
    await workload.close();
    await stream.drain(handle);
    const took = ns / 1e9;
    return {
      ...counts(),
      calls: [events, critical],
      received,
      disordered,
      seconds: took,
      cores: (user + system) / 1e6 / took,
      drainingCores: Math.max(...draining) / took,
    };
  } finally {
    kernel.close();
  }
};

const rounded = (value: number): number => Number(value.toPrecision(4));

const row = (name: string, unit: string, values: readonly number[], most?: number): Measurement => ({
  suite: 'live',
  name,
  unit,
  median: rounded(median(values)),
  samples: values.length,
  ...(most !== undefined && { target: { most, of: 'median' }, met: median(values) <= most }),
});

/** A million records of 128 bytes a second, decoded and counted: what is lost, and what reading them takes. */
export const floods = async (place: Place): Promise<readonly Measurement[]> => {
  const program = compileWorkload(place, 'flood');
  const flood = (sizes: FloodSizes, urgent: number): Promise<FloodResult> =>
    runFlood({ cgroup: place.cgroup, program, sizes, rate: RATE, seconds: SECONDS, urgent });
  const large = await flood({ events: 16 * MB, critical: MB }, 0);
  const small = await flood({ events: MB / 4, critical: MB / 4 }, 1);
  const unexplained = ({ produced, received, lost, calls }: FloodResult, ring: 0 | 1): number =>
    Math.abs(produced[ring] - received[ring] - lost[ring]) + Math.abs(calls[ring] - produced[ring]);
  const ofLarge = `${FLOOD_RECORD.size}-byte records, ring of 16 MB`;
  const ofSmall = `${FLOOD_RECORD.size}-byte records, ring of 256 KB`;
  return [
    row(`${ofLarge}: produced`, 'records/s', [large.produced[0] / large.seconds]),
    row(`${ofLarge}: lost of ${large.produced[0]}`, 'records', [large.lost[0]], 0),
    row(`${ofLarge}: produced, neither received nor counted as lost`, 'records', [unexplained(large, 0)], 0),
    row(`${ofLarge}: the thread that drains`, 'cores', [large.drainingCores], 0.5),
    row(`${ofLarge}: draining, decoding and counting together`, 'cores', [large.cores]),
    row(`${ofSmall}: lost of ${small.produced[0]}`, 'records', [small.lost[0]]),
    row(`${ofSmall}: produced, neither received nor counted as lost`, 'records', [unexplained(small, 0)], 0),
    row(`${ofSmall}: critical ones lost of ${small.produced[1]} meanwhile`, 'records', [small.lost[1]], 0),
    row(
      `${ofSmall}: critical ones produced, neither received nor counted as lost`,
      'records',
      [unexplained(small, 1)],
      0,
    ),
  ];
};
