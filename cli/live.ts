import { InvalidArgumentError, Option } from 'commander';
import type { AgentOptions } from '../agent/index.ts';
import {
  createContainerSource,
  createLinuxSensor,
  hostResolver,
  type LinuxSensor,
  type LinuxSensorOptions,
} from '../sensors/index.ts';
import { wholeNumber } from './arguments.ts';
import { CliError, EXIT, messageOf } from './exit.ts';

/** Bytes of the ring buffer of critical records at most; they have a quarter of what the others have. */
const CRITICAL_SHARE = 4;
const PAGE_BYTES = 4096;
const LARGEST_RING = 2 ** 30;
/** Records of one rule in one cgroup a second, and how many seconds' worth may come at once. */
const DEFAULT_RATE = 1_000;
const BURST_SECONDS = 2;
/** Alerts of one rule a second beyond which they are a storm. */
const DEFAULT_STORM = 100;

/** What holds where the running kernel is watched and nothing else is asked for. */
export const LIVE_LIMITS = { rateLimit: DEFAULT_RATE, stormLimit: DEFAULT_STORM };

/** Options of commands that watch the running kernel. */
export interface LiveOptions {
  /** Bytes. */
  readonly ringSize?: number;
  /** Records a second of one rule in one cgroup; 0: no limit. */
  readonly rateLimit?: number;
  /** Alerts a second of one rule beyond which they are a storm; 0: no limit. */
  readonly stormLimit?: number;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** A ring buffer's size in bytes: `65536`, `256K`, `16M`. */
export const ringSizeOf = (text: string): number => {
  const [, digits = '', unit = ''] = /^(\d+)([kmg]?)$/i.exec(text) ?? [];
  const bytes = Number(digits) * (UNITS[unit.toLowerCase()] ?? 1);
  const isPower = bytes >= PAGE_BYTES && bytes <= LARGEST_RING && Number.isInteger(Math.log2(bytes));
  if (digits === '' || !isPower)
    throw new InvalidArgumentError('Expected a power of two from 4K to 1G, for example 256K, 4M or 16777216.');
  return bytes;
};

export const liveOptions = (): readonly Option[] => [
  new Option('--ring-size <size>', 'bytes of the ring buffer, a power of two such as 16M (default: 4M)').argParser(
    ringSizeOf,
  ),
  new Option(
    '--rate-limit <n>',
    `alerts a second of one rule in one cgroup; what is more is counted; 0: no limit (default live: ${DEFAULT_RATE})`,
  ).argParser(wholeNumber(0)),
  new Option(
    '--storm-limit <n>',
    `alerts a second of one rule beyond which they are counted as a storm; 0: no limit (default live: ${DEFAULT_STORM})`,
  ).argParser(wholeNumber(0)),
];

/** What these options are to an agent. */
export const agentOptionsOf = ({
  ringSize,
  rateLimit = 0,
  stormLimit = 0,
}: LiveOptions): Pick<AgentOptions, 'limit' | 'rings' | 'stormLimit'> => ({
  ...(stormLimit > 0 && { stormLimit }),
  ...(rateLimit > 0 && { limit: { perSecond: rateLimit, burst: rateLimit * BURST_SECONDS } }),
  ...(ringSize !== undefined && {
    rings: { events: ringSize, critical: Math.max(PAGE_BYTES, ringSize / CRITICAL_SHARE) },
  }),
});

/** Opens the running kernel, with this host's container runtimes; ends with a sentence where that can't be. */
export const openLive = (options: LinuxSensorOptions, warn: (sentence: string) => void): LinuxSensor => {
  try {
    const sensor = createLinuxSensor(options);
    const isThere = (cgroup: string): boolean => sensor.kernel.cgroupId(cgroup) !== undefined;
    return { ...sensor, resolve: hostResolver, containers: createContainerSource({ warn, isThere }) };
  } catch (error) {
    throw new CliError(
      `${messageOf(error)}\n"shrike doctor" says what this machine and these privileges allow`,
      EXIT.environment,
    );
  }
};

/** The `start` line of `--json`: programs are attached. */
export interface StartRecord {
  readonly type: 'start';
  readonly kernel: string;
  readonly scope: string;
  /** Milliseconds from the start of this process to the last program attached. */
  readonly attachedMs: number;
  /** Memory of this process then, in bytes. */
  readonly rss: number;
}

export const startRecord = ({ kernel, scope }: LinuxSensor): StartRecord => ({
  type: 'start',
  kernel: kernel.features.name,
  scope,
  attachedMs: Math.round(performance.now()),
  rss: process.memoryUsage.rss(),
});

/** The same for people. */
export const attachedText = ({ kernel, scope, attachedMs }: StartRecord): string =>
  `watching ${scope === '/' ? 'the whole host' : scope} on Linux ${kernel}, attached after ${attachedMs} ms; Ctrl-C ends`;
