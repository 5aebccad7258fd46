import { readClock } from './call.ts';

const REFRESH_NS = 1_000_000_000n;

/** Turns times since boot into times since the Unix epoch; the difference is measured anew every second, since clocks are set. */
export function createClock(): (bootNs: bigint) => bigint {
  let difference = 0n;
  let measured = -REFRESH_NS;
  return (bootNs) => {
    const now = process.hrtime.bigint();
    if (now - measured >= REFRESH_NS) {
      difference = readClock('CLOCK_REALTIME') - readClock('CLOCK_BOOTTIME');
      measured = now;
    }
    return bootNs + difference;
  };
}
