import type { Accounts } from '../accounts.ts';
import type { ContainerSource } from '../containers/index.ts';
import type { Sensor, SensorReport } from '../kernel.ts';
import { readClock } from './call.ts';
import { type LinuxKernel, openLinuxKernel } from './kernel.ts';
import { hostAccounts } from './users.ts';

/** How often what has arrived is taken, in milliseconds: a ring buffer of 4 MB takes half a million records of 128 bytes a second then. */
const PUMP_MS = 5;

export interface LinuxSensorOptions {
  /** Path of the cgroup whose processes are observed, with those below it; `/` is the whole host. */
  readonly scope: string;
  /** A kernel that is open already, which stays open; default the running one, closed at the end. */
  readonly kernel?: LinuxKernel;
  /** Facts of the host's containers; the agent closes it. */
  readonly containers?: ContainerSource;
  /** Lets things happen once programs are attached, and ends when they have; left out: the sensor runs until it is told to stop. */
  readonly source?: (signal: AbortSignal) => Promise<void>;
}

/** The running kernel as a source of events. */
export interface LinuxSensor extends Sensor {
  readonly kind: 'linux';
  readonly kernel: LinuxKernel;
  readonly accounts: Accounts;
  now(): bigint;
}

/** A sensor of the running kernel; nothing is loaded yet. @throws Error where there is no bpf(2), BTF or cgroup v2, or no such cgroup */
export function createLinuxSensor({ scope, source, ...options }: LinuxSensorOptions): LinuxSensor {
  const kernel = options.kernel ?? openLinuxKernel({ scope });
  if (kernel.cgroupId(scope) === undefined) {
    if (options.kernel === undefined) kernel.close();
    throw new Error(
      `there is no cgroup ${scope}; give its path below the cgroup v2 mount, as /system.slice/nginx.service`,
    );
  }
  return {
    kind: 'linux',
    kernel,
    scope,
    accounts: hostAccounts(),
    now: () => readClock('CLOCK_BOOTTIME'),
    ...(options.containers && { containers: options.containers }),
    run: async (pump, signal): Promise<SensorReport> => {
      const { promise: failed, reject } = withResolvers();
      const timer = setInterval(() => {
        try {
          pump();
        } catch (error) {
          reject(error);
        }
      }, PUMP_MS);
      try {
        await Promise.race([source === undefined ? aborted(signal) : source(signal), failed]);
      } finally {
        clearInterval(timer);
      }
      return { calls: 0, problems: [] };
    },
  };
}

const withResolvers = (): { readonly promise: Promise<never>; readonly reject: (error: unknown) => void } => {
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<never>((_, refuse) => {
    reject = refuse;
  });
  return { promise, reject };
};

const aborted = (signal: AbortSignal): Promise<void> =>
  signal.aborted
    ? Promise.resolve()
    : new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
