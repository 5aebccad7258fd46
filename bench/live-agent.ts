import { openLinuxKernel, type Sensor } from '../sensors/index.ts';
import { underPolicies } from './agent.ts';
import type { Place } from './workload.ts';

const PUMP_MS = 10;

/** Starts Shrike with all shipped policies in this process, watching the place's cgroup; returns when its programs are attached. */
export const startShrike = async (place: Place): Promise<{ readonly stop: () => Promise<void> }> => {
  const ending = new AbortController();
  const kernel = openLinuxKernel({ scope: place.cgroup });
  let attached = (): void => {};
  const running = new Promise<void>((resolve) => {
    attached = resolve;
  });
  const sensor: Sensor = {
    kind: 'linux',
    kernel,
    scope: place.cgroup,
    run: async (pump) => {
      const timer = setInterval(pump, PUMP_MS);
      attached();
      await new Promise((resolve) => ending.signal.addEventListener('abort', resolve));
      clearInterval(timer);
      return { calls: 0, problems: [] };
    },
  };
  const end = underPolicies(sensor);
  await Promise.race([running, end]);
  return {
    stop: async () => {
      ending.abort();
      await end;
      kernel.close();
    },
  };
};
