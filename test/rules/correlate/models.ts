/** What happens in a stream: processes are named by numbers that no other has. */
export type Happening =
  | { readonly kind: 'fork'; readonly process: number; readonly maker: number }
  | { readonly kind: 'exit'; readonly process: number }
  | {
      readonly kind: 'event';
      readonly time: number;
      readonly process: number;
      readonly key: string;
      /** Steps of the sequence that the event satisfies, from 1; for a threshold any step is a match. */
      readonly steps: readonly number[];
    };
export type Happened = Extract<Happening, { kind: 'event' }>;

/** An alert: the place of the event that raises it in the stream, how many events it came of, and the time of the first. */
export interface Expected {
  readonly at: number;
  readonly count: number;
  readonly from: number;
}

/** Thresholds as documented, looking back through the whole stream at every event. */
export const plainThreshold = (stream: readonly Happening[], moreThan: number, within: number): readonly Expected[] => {
  const restarted = new Map<string, number>();
  const found: Expected[] = [];
  for (const [at, event] of stream.entries()) {
    if (event.kind !== 'event' || event.steps.length === 0) continue;
    const window = stream.filter(
      (each, index): each is Happened =>
        each.kind === 'event' &&
        each.steps.length > 0 &&
        each.key === event.key &&
        index <= at &&
        index > (restarted.get(event.key) ?? -1) &&
        event.time - each.time <= within,
    );
    if (window.length <= moreThan) continue;
    found.push({ at, count: window.length, from: window[0]?.time ?? 0 });
    restarted.set(event.key, at);
  }
  return found;
};

/**
 * The time of the latest first step of which steps lead up to step `step` at an event in front of `before`, among the events that
 * `counts` lets through; undefined where none do.
 */
const latestStart = (
  stream: readonly Happening[],
  step: number,
  before: number,
  counts: (event: Happened, index: number, step: number) => boolean,
): number | undefined => {
  let latest: number | undefined;
  for (const [index, event] of stream.entries()) {
    if (index >= before) break;
    if (event.kind !== 'event' || !event.steps.includes(step) || !counts(event, index, step)) continue;
    const start = step === 1 ? event.time : latestStart(stream, step - 1, index, counts);
    if (start !== undefined && (latest === undefined || start > latest)) latest = start;
  }
  return latest;
};

/** Sequences by key, by trying every combination of earlier events. */
export const plainSequence = (stream: readonly Happening[], steps: number, within: number): readonly Expected[] => {
  const restarted = new Map<string, number>();
  const found: Expected[] = [];
  for (const [at, event] of stream.entries()) {
    if (event.kind !== 'event' || !event.steps.includes(steps)) continue;
    const since = restarted.get(event.key) ?? -1;
    const from = latestStart(stream, steps - 1, at, (each, index) => each.key === event.key && index >= since);
    if (from === undefined || event.time - from > within) continue;
    found.push({ at, count: steps, from });
    restarted.set(event.key, at);
  }
  return found;
};

/** Sequences in trees: for every process that may be the first step's, the events of it and of its descendants. */
export const plainTree = (stream: readonly Happening[], steps: number, within: number): readonly Expected[] => {
  const makers = new Map<number, number>();
  for (const each of stream) if (each.kind === 'fork') makers.set(each.process, each.maker);
  const isIn = (process: number | undefined, root: number): boolean =>
    process !== undefined && (process === root || isIn(makers.get(process), root));
  const restarted = new Map<string, number>();
  const found: Expected[] = [];
  for (const [at, event] of stream.entries()) {
    if (event.kind !== 'event' || !event.steps.includes(steps)) continue;
    let best: number | undefined;
    for (let root: number | undefined = event.process; root !== undefined; root = makers.get(root)) {
      const here = root;
      const place = `${here} ${event.key}`;
      const since = restarted.get(place) ?? -1;
      const from = latestStart(
        stream,
        steps - 1,
        at,
        (each, index, step) =>
          each.key === event.key && index >= since && (step === 1 ? each.process === here : isIn(each.process, here)),
      );
      if (from === undefined || event.time - from > within) continue;
      restarted.set(place, at);
      if (best === undefined || from > best) best = from;
    }
    if (best !== undefined) found.push({ at, count: steps, from: best });
  }
  return found;
};
