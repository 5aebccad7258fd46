import type { Counted, Unnumbered } from '../../alerts/index.ts';
import type { MatchKey } from './key.ts';

/** Matches of one rule with the same key, after the one that raised an alert. */
export interface Window {
  readonly key: MatchKey;
  /** The alert that began it, and its id. */
  readonly like: Unnumbered;
  readonly first: string;
  /** Nanoseconds since boot. */
  readonly opened: bigint;
  /** Times of the first and the last match that was counted. */
  since: bigint;
  until: bigint;
  count: number;
}

/** The open windows of one rule, the oldest first. */
export interface Windows {
  readonly size: number;
  readonly oldest: Window | undefined;
  has(key: MatchKey): boolean;
  open(window: Pick<Window, 'key' | 'like' | 'first' | 'opened'>): void;
  /** Counts a match in its key's window; false where none is open. */
  count(key: MatchKey, match: bigint): boolean;
  close(window: Window): void;
}

export const createWindows = (): Windows => {
  const byKey = new Map<string, Window>();
  return {
    get size() {
      return byKey.size;
    },
    get oldest() {
      const [first] = byKey.values();
      return first;
    },
    has: ({ text }) => byKey.has(text),
    open: (window) => byKey.set(window.key.text, { ...window, since: window.opened, until: window.opened, count: 0 }),
    count: ({ text }, match) => {
      const window = byKey.get(text);
      if (window === undefined) return false;
      if (window.count === 0 || match < window.since) window.since = match;
      if (window.count === 0 || match > window.until) window.until = match;
      window.count++;
      return true;
    },
    close: ({ key }) => byKey.delete(key.text),
  };
};

/** What an alert says of a window's matches. */
export const countedInWindow = (
  { key, first, since, until, count }: Window,
  wallTime: (time: bigint) => bigint,
): Counted => ({ count, since: wallTime(since), until: wallTime(until), key: key.fields, first });
