import { holds, holdsAll, type Range, topOf, withRange } from './ranges.ts';

/** A message with an alert. */
export interface Arrival<T> {
  readonly host: string;
  /** The alert's number in its host's log. */
  readonly seq: number;
  /** That of the host's alert before; undefined where it isn't known. */
  readonly previous: number | undefined;
  /** The message's id, which the same alert always has. */
  readonly id: string;
  /** When the event happened: ISO 8601, UTC. */
  readonly time: string;
  readonly value: T;
}

/** What is known of a host's alerts. */
export interface HostState {
  /** The numbers that were seen, and those between them that belong to no alert. */
  readonly seen: readonly Range[];
  readonly last: { readonly seq: number; readonly id: string; readonly time: string };
}

/** Alerts of a host that did not arrive: those after one up to another. */
export interface Gap {
  readonly host: string;
  readonly after: number;
  readonly upTo: number;
}

/** What is handed over; `state` is the host's from then on. */
export type Handed<T> =
  | { readonly kind: 'arrival'; readonly arrival: Arrival<T>; readonly late: boolean; readonly state: HostState }
  | { readonly kind: 'gap'; readonly gap: Gap };

/** Puts alerts into the order of their hosts, passes on each once, and finds those that did not come. */
export interface Arrivals<T> {
  take(arrival: Arrival<T>): readonly Handed<T>[];
  /** Gives up waiting for what should have come before the alerts that are held since `since` (ms) or longer. */
  giveUp(since: number): readonly Handed<T>[];
  /** Alerts that wait for earlier ones. */
  readonly held: readonly T[];
  /** Gaps that were found and not filled since. */
  readonly missing: readonly Gap[];
}

/** Ids that are remembered, to tell an alert that comes again from one of a log that began anew. */
const REMEMBERED = 1024;

interface Held<T> {
  readonly arrival: Arrival<T>;
  readonly at: number;
}

interface Host<T> {
  state: HostState;
  readonly ids: Map<number, string>;
  held: Held<T>[];
}

const rangeOf = <T>({ seq, previous }: Arrival<T>): Range => [previous ?? seq - 1, seq];

const lastOf = <T>({ seq, id, time }: Arrival<T>): HostState['last'] => ({ seq, id, time });

/**
 * @param waits whether an alert waits for those before it; only where all alerts of a host are seen
 * @param known hosts whose alerts were seen before
 */
export const createArrivals = <T>(
  waits: boolean,
  known: Readonly<Record<string, HostState>> = {},
  now: () => number = () => performance.now(),
): Arrivals<T> => {
  const hosts = new Map<string, Host<T>>(
    Object.entries(known).map(([name, state]) => [
      name,
      { state, ids: new Map([[state.last.seq, state.last.id]]), held: [] },
    ]),
  );
  let missing: readonly Gap[] = [];

  const remember = ({ ids }: Host<T>, { seq, id }: Arrival<T>): void => {
    ids.set(seq, id);
    if (ids.size > REMEMBERED) ids.delete(ids.keys().next().value!);
  };

  const hand = (host: Host<T>, arrival: Arrival<T>, late: boolean): Handed<T> => {
    const { last } = host.state;
    const seen = withRange(host.state.seen, rangeOf(arrival));
    host.state = { seen, last: late && last.seq > arrival.seq ? last : lastOf(arrival) };
    remember(host, arrival);
    if (late) missing = missing.filter((gap) => gap.host !== arrival.host || !holdsAll(seen, [gap.after, gap.upTo]));
    return { kind: 'arrival', arrival, late, state: host.state };
  };

  const find = (gap: Gap): Handed<T> => {
    missing = [...missing, gap];
    return { kind: 'gap', gap };
  };

  const release = (host: Host<T>, since: number): readonly Handed<T>[] => {
    const handed: Handed<T>[] = [];
    for (;;) {
      const first = host.held[0];
      if (first === undefined) return handed;
      const { arrival } = first;
      const top = topOf(host.state.seen);
      const isNext = (arrival.previous ?? 0) <= top;
      if (!isNext && !host.held.some(({ at }) => at <= since)) return handed;
      host.held.shift();
      if (!isNext) handed.push(find({ host: arrival.host, after: top, upTo: arrival.previous ?? 0 }));
      handed.push(hand(host, arrival, false));
    }
  };

  /** Whether an alert whose number was seen is another one: its host's log began anew. */
  const isOfNewLog = ({ ids, state }: Host<T>, { seq, id, previous, time }: Arrival<T>): boolean => {
    const before = ids.get(seq);
    return before === undefined ? previous === 0 && time > state.last.time : before !== id;
  };

  const beginAnew = (host: Host<T>, arrival: Arrival<T>): readonly Handed<T>[] => {
    const before = release(host, Number.POSITIVE_INFINITY);
    missing = missing.filter((gap) => gap.host !== arrival.host);
    host.state = { seen: [], last: lastOf(arrival) };
    host.ids.clear();
    const { previous = 0 } = arrival;
    const gap = waits && previous > 0 ? [find({ host: arrival.host, after: 0, upTo: previous })] : [];
    return [...before, ...gap, hand(host, arrival, false)];
  };

  return {
    take(arrival) {
      const host = hosts.get(arrival.host);
      if (host === undefined) {
        const found: Host<T> = { state: { seen: [], last: lastOf(arrival) }, ids: new Map(), held: [] };
        hosts.set(arrival.host, found);
        return [hand(found, arrival, false)];
      }
      if (holds(host.state.seen, arrival.seq)) return isOfNewLog(host, arrival) ? beginAnew(host, arrival) : [];
      const top = topOf(host.state.seen);
      if (!waits || arrival.seq < top || (arrival.previous ?? 0) <= top)
        return [hand(host, arrival, arrival.seq < top), ...release(host, Number.NEGATIVE_INFINITY)];
      const place = host.held.findIndex((held) => held.arrival.seq >= arrival.seq);
      const same = host.held[place]?.arrival;
      if (same?.seq === arrival.seq && same.id === arrival.id) return [];
      host.held.splice(place < 0 ? host.held.length : place, 0, { arrival, at: now() });
      return [];
    },
    giveUp: (since) => [...hosts.values()].flatMap((host) => release(host, since)),
    get held() {
      return [...hosts.values()].flatMap((host) => host.held.map(({ arrival }) => arrival.value));
    },
    get missing() {
      return missing;
    },
  };
};
