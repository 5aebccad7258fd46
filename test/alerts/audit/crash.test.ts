import { describe, expect, it } from 'vitest';
import { type AuditEntry, decodeLine } from '../../../alerts/audit/line.ts';
import { type AuditLogOptions, openAuditLog, type StoredLog } from '../../../alerts/audit/log.ts';
import { segmentsOf } from '../../../alerts/audit/segment.ts';
import { count, seed } from '../../support/counts.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { createModelDisk, type ModelDisk, type ModelOptions } from './model-disk.ts';

const RUNS = count(20_000);
/** How often what is wrong on purpose has to be found. */
const ENOUGH = 4;
const MOST_STORIES = 400;

/** All entries of a disk, in order; each line has to be whole. */
const readAll = ({ disk }: ModelDisk): readonly AuditEntry[] =>
  segmentsOf(disk.folder, disk.names()).flatMap(({ name }) =>
    Buffer.from(disk.read(name))
      .toString('latin1')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const decoded = decodeLine(Buffer.from(line, 'latin1'));
        if (!decoded.ok) throw new Error(`${name}: ${decoded.problem}`);
        return decoded.entry;
      }),
  );

/** Lets what can go on, go on. */
const turn = (turns: number) =>
  (async () => {
    for (let left = turns; left > 0; left--) await Promise.resolve();
  })();

/** A disk that fills up and has room again, and refuses as long as it is told to. */
interface World {
  readonly random: Random;
  room: number;
  isTrying: boolean;
  /** What was appended, by the number it was given. */
  readonly said: Map<number, string>;
  readonly wrong: string[];
}

interface Life {
  readonly committed: number;
  /** Appended without getting a number; undefined where the power failed before that could be recorded. */
  readonly omitted: number | undefined;
}

const openOn = ({ disk }: ModelDisk, options: Partial<AuditLogOptions>): Promise<StoredLog> =>
  openAuditLog({ folder: disk, host: 'h', commitEveryMs: 0, reserveBytes: 0, upkeepEveryMs: 0, ...options });

const PRIORITIES = ['critical', 'notice', 'debug'] as const;

/** Appends something of a random kind; the number it got. */
const append = (log: StoredLog, { random, said }: World, text: string): number | undefined => {
  const body = `${text} ${'x'.repeat(random.pick([0, 10, 400, 1_500]))}`;
  const { seq } = random.chance(0.5)
    ? log.append('start', body)
    : log.append('alert', body, { rule: 'r', priority: random.pick(PRIORITIES) });
  if (seq !== undefined) said.set(seq, body);
  return seq;
};

const optionsFor = (random: Random): Partial<AuditLogOptions> => ({
  segmentBytes: random.pick([300, 3_000, 1 << 20]),
  ...(random.chance(0.4) && { keepBytes: random.pick([600, 4_000]) }),
  reserveBytes: random.pick([0, 500, 3_000]),
  maxWaitingBytes: random.pick([3_000, 1 << 20]),
});

/** Ends in order on a disk that takes everything, and compares what was recorded as left out. */
const endInOrder = async (log: StoredLog, world: World): Promise<void> => {
  world.isTrying = false;
  world.room = Number.POSITIVE_INFINITY;
  await log.flush().catch(() => undefined);
  await log.flush();
  await log.upkeep();
  await log.close();
};

/** Appends and waits by chance until the power fails or the log is closed. */
const live = async (model: ModelDisk, world: World, text: string): Promise<Life> => {
  const { random } = world;
  const options = optionsFor(random);
  const log = await openOn(model, options).catch((error: Error) => {
    if (!/^(EIO|ENOSPC)/.test(error.message) && !/(EIO|ENOSPC)/.test(error.message)) throw error;
  });
  if (log === undefined) {
    model.cut();
    return { committed: 0, omitted: undefined };
  }
  let omitted = 0;
  for (let action = random.below(14); action >= 0; action--) {
    for (let entries = random.below(5); entries > 0; entries--)
      if (append(log, world, `${text} ${action} ${entries}`) === undefined) omitted++;
    if (random.chance(0.15)) world.room = random.pick([0, 700, 4_000, Number.POSITIVE_INFINITY]);
    if (random.chance(0.2)) log.acknowledged(random.below(log.last + 1));
    const done = random.chance(0.3) ? log.upkeep() : log.flush().catch(() => undefined);
    if (random.chance(0.5)) await done;
    else await turn(random.below(12));
  }
  const isInOrder = random.chance(0.3);
  if (isInOrder) await endInOrder(log, world);
  const { committed } = log;
  model.cut();
  return { committed, omitted: isInOrder && options.keepBytes === undefined ? omitted : undefined };
};

type Body = Readonly<Record<string, unknown>>;

const bodiesOf = (entries: readonly AuditEntry[], ...kinds: readonly string[]): readonly Body[] =>
  entries.flatMap(({ kind, body }) => (kinds.includes(kind) && typeof body === 'object' ? [body as Body] : []));

/** What is wrong with a log that was found after a power failure. */
const check = (
  found: readonly AuditEntry[],
  { committed, omitted }: Life,
  seen: number,
  { said, wrong }: World,
): void => {
  const first = found[0]?.seq ?? 1;
  const last = found.at(-1)?.seq ?? 0;
  if (found.some(({ seq }, index) => seq !== first + index)) wrong.push('numbers are missing');
  if (last < committed) wrong.push(`entry ${committed} was committed, the last that is there is ${last}`);
  const from = Math.max(committed, seen);
  const cut = found.find(({ seq, kind, body }) => seq > from && kind === 'loss' && 'bytes' in (body as Body));
  for (const seq of said.keys()) if (seq > last || (cut !== undefined && seq >= cut.seq)) said.delete(seq);
  for (const { seq, kind, body } of found)
    if (said.has(seq) ? said.get(seq) !== body : kind !== 'shed' && kind !== 'loss')
      wrong.push(`entry ${seq} is ${kind} ${JSON.stringify(body).slice(0, 80)}, and not what was appended`);
  const removals = bodiesOf(found, 'shed').filter(({ segment }) => segment !== undefined);
  if (first > 1 && !removals.some(({ to }) => Number(to) >= first - 1))
    wrong.push(`the log begins with entry ${first}, and nothing says where those before it are`);
  if (bodiesOf(found, 'loss').some(({ missing }) => missing !== undefined))
    wrong.push('committed entries are said to be missing');
  const recorded = bodiesOf(
    found.filter(({ seq }) => seq > seen),
    'shed',
    'loss',
  ).reduce((sum, { records }) => sum + Number(records ?? 0), 0);
  if (omitted !== undefined && recorded !== omitted)
    wrong.push(`${omitted} entries found no room, ${recorded} are recorded`);
};

interface Story {
  /** How many times a power failure tore the log. */
  readonly torn: number;
  readonly appended: number;
  readonly kept: number;
  readonly removals: number;
  readonly omitted: number;
  /** What was committed and is gone, or is there and should not be. */
  readonly wrong: readonly string[];
}

/** A disk that loses its power one to three times, and what the log is then. */
const tell = async (random: Random, options: ModelOptions): Promise<Story> => {
  const world: World = { random, room: Number.POSITIVE_INFINITY, isTrying: true, said: new Map(), wrong: [] };
  let model = createModelDisk(random, {
    ...options,
    refuses: () => world.isTrying && options.refuses?.() === true,
    capacity: () => world.room,
  });
  let [torn, appended, removals, omitted, seen] = [0, 0, 0, 0, 0];
  let kept = 0;
  for (let round = random.below(3); round >= 0; round--) {
    world.isTrying = true;
    const life = await live(model, world, `round ${round}`);
    world.isTrying = false;
    world.room = Number.POSITIVE_INFINITY;
    model = model.restart();
    const log = await openOn(model, {});
    await log.close();
    const found = readAll(model);
    appended += world.said.size;
    check(found, life, seen, world);
    kept += world.said.size;
    torn += bodiesOf(found, 'loss').filter(({ bytes }) => bytes !== undefined).length;
    removals += bodiesOf(found, 'shed').filter(({ segment }) => segment !== undefined).length;
    omitted += life.omitted ?? 0;
    seen = found.at(-1)?.seq ?? 0;
  }
  return { torn, appended, kept, removals, omitted, wrong: world.wrong };
};

/** In how many stories something is wrong, among the first `most`, up to four. */
const wrongOf = async (random: Random, most: number, options: ModelOptions): Promise<number> => {
  let wrong = 0;
  for (let run = 0; run < most && wrong < ENOUGH; run++)
    wrong += await tell(random, options).then(
      (story) => Math.min(1, story.wrong.length),
      () => 1,
    );
  return wrong;
};

describe('an audit log on a disk that loses what was not synced', () => {
  it.each([
    ['a sound disk', 0],
    ['a disk that refuses some operations', 0.04],
  ])(
    'has what was committed, and a prefix of what was appended, on %s',
    async (name, refused) => {
      const random = createRandom(seed(`power failures of ${name}`));
      let [torn, kept, appended, removals, omitted] = [0, 0, 0, 0, 0];
      for (let run = 0; run < RUNS; run++) {
        const story = await tell(random, { refuses: () => random.chance(refused) });
        expect(story.wrong).toEqual([]);
        torn += story.torn;
        kept += story.kept;
        appended += story.appended;
        removals += story.removals;
        omitted += story.omitted;
      }
      expect(torn).toBeGreaterThan(RUNS / 50);
      expect(kept).toBeLessThan(appended);
      expect(removals).toBeGreaterThan(RUNS / 50);
      expect(omitted).toBeGreaterThan(RUNS / 50);
    },
    600_000,
  );

  it.each([
    ['its disk lied', { lies: () => true }],
    [
      'segments went before what says so is on disk',
      { lies: (written: Uint8Array) => Buffer.from(written).includes('"segment":"audit-') },
    ],
  ] as const)('would be found out where %s', async (name, options) => {
    expect(await wrongOf(createRandom(seed(name)), MOST_STORIES, options)).toBe(ENOUGH);
  });

  it('would be found out where it only synced again what a failed sync may have lost', async () => {
    const random = createRandom(seed('forgetful logs'));
    const refuses = () => random.chance(0.1);
    expect(await wrongOf(random, MOST_STORIES, { refuses, forgets: true })).toBe(ENOUGH);
  });
});
