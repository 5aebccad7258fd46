import { type AgentOptions, type AgentSummary, type Reload, runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import type { Rule } from '../../rules/index.ts';
import type { Kernel, KernelMap, SimHost } from '../../sensors/index.ts';
import { memoryLog } from './audit.ts';
import { policyOf } from './rules.ts';

/** A kernel around whose every call something happens. */
export const stormy = (kernel: Kernel, act: () => void): Kernel => {
  const around =
    <Args extends unknown[], Result>(call: (...args: Args) => Result) =>
    (...args: Args): Result => {
      act();
      try {
        return call(...args);
      } finally {
        act();
      }
    };
  const mapAround = (map: KernelMap): KernelMap =>
    map.spec.type === 'ringbuf' ? map : { ...map, update: around(map.update), delete: around(map.delete) };
  return {
    ...kernel,
    createMap: around((spec) => mapAround(kernel.createMap(spec))),
    loadProgram: around(kernel.loadProgram),
    attach: around(kernel.attach),
    detach: around(kernel.detach),
    settle: around(kernel.settle),
    release: around(kernel.release),
    processes: around(kernel.processes),
    stream: (maps, timeAt) => {
      const stream = kernel.stream(maps, timeAt);
      return { ...stream, consume: around(stream.consume), drain: around(stream.drain) };
    },
  };
};

export interface Ran {
  readonly alerts: readonly Alert[];
  readonly summary: AgentSummary;
  readonly entries: ReturnType<typeof memoryLog>['entries'];
}

/** Runs an agent on a simulated host, and lets `during` reload. */
export const runReloading = async (
  host: SimHost,
  kernel: Kernel,
  rules: readonly Rule[],
  during: (reload: Reload, pump: () => void) => Promise<void>,
  more: Partial<AgentOptions> = {},
): Promise<Ran> => {
  const { log, entries } = memoryLog();
  const alerts: Alert[] = [];
  let reload: Reload | undefined;
  const summary = await runAgent({
    policies: [policyOf(rules)],
    host: 'sim',
    enforce: false,
    log,
    onAlert: (alert) => alerts.push(alert),
    onReloadable: (given) => {
      reload = given;
    },
    sensor: {
      kind: 'sim',
      scope: '/',
      kernel,
      run: async (pump) => {
        await during(reload!, pump);
        pump();
        return { calls: host.calls, problems: [] };
      },
    },
    ...more,
  });
  return { alerts, summary, entries };
};
