import { numberOf, objectOf, textOf } from './glance.ts';

/** Something that was not seen, was held back or was removed: entries of `loss` and `shed` that say the same, together. */
export interface Gap {
  readonly kind: 'loss' | 'shed';
  /** What it is about, in words; entries that say the same have the same. */
  readonly what: string;
  /** Records, entries or matches. */
  count: number;
  entries: number;
  first: string;
  last: string;
  readonly firstSeq: number;
  /** Whether what is counted is gone for good: not so for matches that are counted elsewhere, or for what a limit held back on purpose. */
  readonly isLost: boolean;
}

/** Adds up losses and sheds. */
export interface Gaps {
  readonly gaps: ReadonlyMap<string, Gap>;
  /** Matches by rule that are counted and stand in no alert yet, at the log's end. */
  readonly untold: ReadonlyMap<string, number>;
  add(kind: 'loss' | 'shed', seq: number, time: string, body: Readonly<Record<string, unknown>>): void;
  /** An alert told of the matches of a rule that were counted. */
  told(rule: string): void;
}

const MOST_GAPS = 1_000;

const ofText = (value: unknown): string => {
  if (!Array.isArray(value)) return '';
  const kinds = value
    .slice(0, 8)
    .map(objectOf)
    .map(({ kind, rule, priority }) =>
      [textOf(kind), textOf(rule) && `of "${textOf(rule)}"`, textOf(priority)].filter(Boolean).join(' '),
    );
  return kinds.length === 0 ? '' : `: ${kinds.join(', ')}${value.length > 8 ? ' and others' : ''}`;
};

type Said = Pick<Gap, 'what' | 'count' | 'isLost'>;

const lossOf = (body: Readonly<Record<string, unknown>>): Said => {
  const reason = textOf(body.reason);
  const hook = textOf(body.hook);
  if (hook !== '' && body.missed !== undefined)
    return {
      what: `runs of the program at ${hook} that the kernel left out`,
      count: numberOf(body.missed),
      isLost: true,
    };
  if (hook !== '')
    return {
      what: `records of ${hook} that found no room in the ring buffer ${textOf(body.ring)}`,
      count: numberOf(body.records),
      isLost: true,
    };
  if (body.unreadable !== undefined)
    return {
      what: `records that no program of the agent wrote (${reason})`,
      count: numberOf(body.unreadable),
      isLost: true,
    };
  if (body.failed !== undefined)
    return { what: `records that came to nothing (${reason})`, count: numberOf(body.failed), isLost: true };
  if (body.unpublished !== undefined) {
    const { from, to } = objectOf(body.unpublished);
    return {
      what: `entries that a NATS server doesn't get (${reason}); this log has or had them`,
      count: Math.max(1, numberOf(to) - numberOf(from) + 1),
      isLost: false,
    };
  }
  if (body.unsealed !== undefined)
    return {
      what: `times that sealing ended: from an entry on nothing is signed (${reason})`,
      count: 1,
      isLost: false,
    };
  if (body.missing !== undefined)
    return { what: `entries that had been committed and are gone`, count: numberOf(body.missing), isLost: true };
  if (body.bytes !== undefined && body.path !== undefined)
    return { what: `bytes that a crash tore off the log's end`, count: numberOf(body.bytes), isLost: true };
  if (body.records !== undefined)
    return {
      what: `entries that found no room (${reason})${ofText(body.of)}`,
      count: numberOf(body.records),
      isLost: true,
    };
  return { what: `a loss in other words: ${JSON.stringify(body)}`, count: 1, isLost: true };
};

const shedOf = (body: Readonly<Record<string, unknown>>): Said => {
  const reason = textOf(body.reason);
  if (body.segment !== undefined)
    return {
      what: `entries that retention removed (by ${reason}); their hashes stay`,
      count: numberOf(body.entries),
      isLost: false,
    };
  if (body.cgroup !== undefined || body.limit !== undefined)
    return {
      what: `matches of "${textOf(body.rule)}" in ${textOf(body.cgroup)} that a limit (the ${textOf(body.limit)}'s) held back`,
      count: numberOf(body.records),
      isLost: false,
    };
  if (body.records !== undefined)
    return {
      what: `entries below critical that found no room (${reason})${ofText(body.of)}`,
      count: numberOf(body.records),
      isLost: true,
    };
  return { what: `held back in other words: ${JSON.stringify(body)}`, count: 1, isLost: true };
};

export const createGaps = (): Gaps => {
  const gaps = new Map<string, Gap>();
  const untold = new Map<string, number>();
  return {
    gaps,
    untold,
    add(kind, seq, time, body) {
      if (kind === 'shed' && body.aggregated !== undefined) {
        untold.set(textOf(body.rule), numberOf(body.aggregated));
        return;
      }
      const said = kind === 'loss' ? lossOf(body) : shedOf(body);
      let key = `${kind} ${said.what}`;
      if (!gaps.has(key) && gaps.size >= MOST_GAPS) key = `${kind} others`;
      const known = gaps.get(key);
      if (known === undefined) {
        const what = key === `${kind} others` ? 'other causes, added up' : said.what;
        gaps.set(key, { kind, ...said, what, entries: 1, first: time, last: time, firstSeq: seq });
        return;
      }
      known.count += said.count;
      known.entries++;
      known.last = time;
    },
    told: (rule) => void untold.delete(rule),
  };
};
