const DAY = 24 * 3_600_000;
/** What a clock may be wrong by without anybody minding. */
const SLACK = 60_000;

/** The time that ages are measured by. */
export interface AgeClock {
  /** Milliseconds since 1970, never later than what can be believed. */
  now(): number;
}

export interface ClockSources {
  /** Milliseconds since 1970, as set by whoever sets clocks. */
  readonly wall: () => number;
  /** Milliseconds since some time; never set. */
  readonly steady: () => number;
}

/**
 * A clock that follows the wall clock back at once and forward only as far as time has passed: a jump forward counts once it has lasted
 * for a day, so that a clock that was wrong for a while makes nothing old. Smaller is safe: what is younger is kept.
 * @param lastSeen what the wall clock showed when it was last known, as the time of the last entry; undefined where it never was
 */
export const createAgeClock = ({ wall, steady }: ClockSources, lastSeen: number | undefined): AgeClock => {
  const at = wall();
  const isGap = lastSeen !== undefined && at > lastSeen + DAY;
  let offset = (isGap ? lastSeen : at) - steady();
  let aheadSince: number | undefined;
  return {
    now() {
      const passed = steady();
      const ahead = wall() - (offset + passed);
      if (ahead < -SLACK) offset += ahead;
      if (ahead <= SLACK) {
        aheadSince = undefined;
      } else {
        aheadSince ??= passed;
        if (passed - aheadSince >= DAY) {
          offset += ahead;
          aheadSince = undefined;
        }
      }
      return offset + passed;
    },
  };
};
