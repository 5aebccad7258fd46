import type { AuditLog } from '../alerts/index.ts';
import { CONFIG } from '../rules/index.ts';
import type { KernelMap } from '../sensors/index.ts';
import { FIRST } from './load.ts';

/** Nanoseconds that enforcement goes on without the agent. */
const TIME_TO_LIVE = 10_000_000_000n;

/** Lets enforcement end by itself where nobody renews it. */
export interface Lease {
  release(): void;
}

/**
 * Writes into the configuration until when verdicts are carried out, and renews that every third of the time, until it is released: an agent that
 * died or hangs disarms by itself. One that hung so long and goes on says in the audit log for how many nanoseconds nothing was enforced.
 * @param now nanoseconds since boot
 */
export const createLease = (config: KernelMap, now: () => bigint, log?: Pick<AuditLog, 'append'>): Lease => {
  let expires: bigint | undefined;
  const renew = (): void => {
    const value = config.lookup(FIRST);
    if (value === undefined) return;
    const time = now();
    if (expires !== undefined && time >= expires)
      log?.append('enforcement', { lapsed: Number(time - expires), renewed: true });
    expires = time + TIME_TO_LIVE;
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    view.setBigUint64(CONFIG.expires, expires, true);
    config.update(FIRST, value);
  };
  renew();
  const timer = setInterval(renew, Number(TIME_TO_LIVE / 3_000_000n));
  timer.unref();
  return { release: () => clearInterval(timer) };
};
