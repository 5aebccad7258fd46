import type { AuditLog } from '../alerts/index.ts';
import { CONFIG } from '../rules/index.ts';
import type { KernelMap, SensorClock } from '../sensors/index.ts';
import { FIRST } from './load.ts';

/** Nanoseconds that enforcement goes on without the agent. */
const TIME_TO_LIVE = 10_000_000_000n;

/** The machine's clock as a sensor's: its time is that of `now`, and what is due is done by real timers. */
export const realClock = (now: () => bigint): SensorClock => ({
  now,
  every: (ns, act) => {
    const timer = setInterval(act, Number(ns / 1_000_000n));
    timer.unref();
    return () => clearInterval(timer);
  },
});

/** Lets enforcement end by itself where nobody renews it. */
export interface Lease {
  release(): void;
}

/**
 * Writes into the configuration until when verdicts are carried out, and renews that every third of the time, until it is released: an agent that
 * died or hangs disarms by itself. One that hung so long and goes on says in the audit log for how many nanoseconds nothing was enforced.
 */
export const createLease = (config: KernelMap, clock: SensorClock, log?: Pick<AuditLog, 'append'>): Lease => {
  let expires: bigint | undefined;
  const renew = (): void => {
    const value = config.lookup(FIRST);
    if (value === undefined) return;
    const time = clock.now();
    if (expires !== undefined && time >= expires)
      log?.append('enforcement', { lapsed: Number(time - expires), renewed: true });
    expires = time + TIME_TO_LIVE;
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    view.setBigUint64(CONFIG.expires, expires, true);
    config.update(FIRST, value);
  };
  renew();
  return { release: clock.every(TIME_TO_LIVE / 3n, renew) };
};
