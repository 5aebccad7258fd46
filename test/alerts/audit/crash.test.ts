import { describe, expect, it } from 'vitest';
import { decodeLine } from '../../../alerts/audit/line.ts';
import { openAuditLog } from '../../../alerts/audit/log.ts';
import { segmentsOf } from '../../../alerts/audit/segment.ts';
import { count, seed } from '../../support/counts.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { createModelDisk, type ModelDisk, type ModelOptions } from './model-disk.ts';

const RUNS = count(20_000);

/** Bodies of all whole lines of a disk, in order, as a reader would find them: its lines up to the first that is not whole. */
const readAll = ({ disk }: ModelDisk): { readonly kind: string; readonly body: unknown }[] =>
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

/** Appends and waits by chance, until the power fails; says what was appended and what was committed. */
const live = async (model: ModelDisk, random: Random, prefix: string) => {
  const appended: string[] = [];
  const options = {
    folder: model.disk,
    host: 'h',
    commitEveryMs: 0,
    segmentBytes: random.pick([300, 3_000, 1 << 20]),
    reserveBytes: 0,
    upkeepEveryMs: 0,
  };
  const log = await openAuditLog(options).catch((error: Error) => {
    if (!error.message.startsWith('EIO')) throw error;
  });
  if (log === undefined) {
    model.cut();
    return { appended, committed: 0 };
  }
  const first = log.last;
  let committed = log.committed;
  for (let action = random.below(14); action >= 0; action--) {
    for (let entries = random.below(5); entries > 0; entries--) {
      const body = `${prefix} ${appended.length} ${'x'.repeat(random.pick([0, 10, 400, 1_500]))}`;
      log.append('start', body);
      appended.push(body);
    }
    const flushed = log.flush().catch(() => undefined);
    if (random.chance(0.5)) await flushed;
    else await turn(random.below(12));
    committed = log.committed;
  }
  model.cut();
  committed = log.committed;
  return { appended, committed: committed - first };
};

interface Story {
  /** How many times a power failure tore the log. */
  readonly torn: number;
  readonly appended: number;
  readonly kept: number;
  /** What was committed and is gone, or is there and should not be. */
  readonly wrong: readonly string[];
}

/** A disk that loses its power one to three times, and what the log is then. */
const tell = async (random: Random, options: ModelOptions): Promise<Story> => {
  let isTrying = true;
  let model = createModelDisk(random, { ...options, refuses: () => isTrying && options.refuses?.() === true });
  let [torn, kept, all] = [0, 0, 0];
  let before: unknown[] = [];
  const wrong: string[] = [];
  for (let round = random.below(3); round >= 0; round--) {
    isTrying = true;
    const { appended, committed } = await live(model, random, `round ${round}`);
    isTrying = false;
    model = model.restart();
    const log = await openAuditLog({
      folder: model.disk,
      host: 'h',
      commitEveryMs: 0,
      reserveBytes: 0,
      upkeepEveryMs: 0,
    });
    await log.close();
    const found = readAll(model);
    const bodies = found.filter(({ kind }) => kind === 'start').map(({ body }) => body);
    const mine = bodies.slice(before.length);
    const whole = [...before, ...appended].slice(0, bodies.length);
    if (JSON.stringify(bodies) !== JSON.stringify(whole)) wrong.push('what is there is no prefix of what was appended');
    if (mine.length < committed) wrong.push(`${committed} entries were committed, ${mine.length} are there`);
    const losses = found.filter(({ kind }) => kind === 'loss');
    if (losses.some(({ body }) => 'missing' in (body as object)))
      wrong.push('committed entries are said to be missing');
    torn += losses.length;
    kept += mine.length;
    all += appended.length;
    before = bodies;
  }
  return { torn, kept, appended: all, wrong };
};

describe('an audit log on a disk that loses what was not synced', () => {
  it.each([
    ['a sound disk', 0],
    ['a disk that refuses some operations', 0.04],
  ])(
    'has what was committed, and a prefix of what was appended, on %s',
    async (name, refused) => {
      const random = createRandom(seed(`power failures of ${name}`));
      let [torn, kept, appended] = [0, 0, 0];
      for (let run = 0; run < RUNS; run++) {
        const story = await tell(random, { refuses: () => random.chance(refused) });
        expect(story.wrong).toEqual([]);
        torn += story.torn;
        kept += story.kept;
        appended += story.appended;
      }
      expect(torn).toBeGreaterThan(RUNS / 50);
      expect(kept).toBeLessThan(appended);
    },
    600_000,
  );

  it('would be found out where its disk lied', async () => {
    const random = createRandom(seed('lying disks'));
    let wrong = 0;
    for (let run = 0; run < 50; run++)
      wrong += await tell(random, { lies: true }).then(
        (story) => story.wrong.length,
        () => 1,
      );
    expect(wrong).toBeGreaterThan(10);
  });
});
