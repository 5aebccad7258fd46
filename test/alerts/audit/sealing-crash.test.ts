import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { readPublicKey } from '../../../alerts/audit/log-key.ts';
import { verifyAuditLog } from '../../../alerts/audit/verify.ts';
import { parseCheckpoint } from '../../../alerts/transparency/checkpoint.ts';
import { at } from '../../support/cli.ts';
import { count, seed } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { createRandom, type Random } from '../../support/random.ts';
import { openSealedLog, writeSealedLog } from '../../support/sealed-log.ts';
import { until } from '../../support/until.ts';

const checkpointIn = (folder: string) => parseCheckpoint(readFileSync(join(folder, 'checkpoint'), 'utf8'));

/** What is wrong with a log that goes on where it was left, and has all that it had signed. */
const wrongAfter = async (folder: string, more: number): Promise<readonly string[]> => {
  const before = [checkpointIn(folder)];
  const { log, warned } = await openSealedLog(folder);
  for (let entry = 0; entry < more; entry++) log.append('stop', { entry });
  await log.close();
  const { findings, unsigned } = await verifyAuditLog({ folder, key: readPublicKey(folder)!, before });
  const rest = unsigned > 0 ? [`${unsigned} entries are not signed`] : [];
  return [...warned, ...findings.map(({ message }) => message), ...rest];
};

/** What a power failure leaves of a file that was being written. */
const torn = (random: Random, whole: Buffer): Buffer | undefined =>
  random.weighted([
    [2, undefined],
    [2, whole],
    [1, whole.subarray(0, random.below(whole.length))],
    [1, Buffer.alloc(whole.length)],
    [1, Buffer.from(whole.map((byte) => byte ^ random.below(256)))],
  ] as const);

const tilesIn = (folder: string): readonly string[] =>
  existsSync(join(folder, 'tile'))
    ? readdirSync(join(folder, 'tile'), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    : [];

/**
 * The folder of a log as a power failure leaves it while it goes from a checkpoint to the next: the next one's tiles are in any state until they are all on disk, and
 * partial ones go only then; the checkpoint comes last.
 */
const crashedBetween = (random: Random, earlier: string, later: string): string => {
  const folder = temporaryFolder();
  for (const name of readdirSync(later))
    if (!['tile', 'checkpoint'].includes(name)) cpSync(join(later, name), join(folder, name), { recursive: true });
  for (const name of ['checkpoint', 'tile'])
    if (existsSync(join(earlier, name))) cpSync(join(earlier, name), join(folder, name), { recursive: true });
  const areWhole = random.chance(0.3);
  const known = new Set(tilesIn(earlier));
  for (const tile of tilesIn(later)) {
    if (known.has(tile)) continue;
    const path = join(folder, tile);
    const content = readFileSync(join(later, tile));
    const left = areWhole ? content : torn(random, content);
    if (left === undefined) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, left);
  }
  if (areWhole)
    for (const tile of known)
      if (!existsSync(join(later, tile)) && random.chance(0.5))
        rmSync(dirname(join(folder, tile)), { recursive: true, force: true });
  if (random.chance(0.5))
    writeFileSync(join(folder, 'checkpoint.new'), torn(random, readFileSync(join(later, 'checkpoint'))) ?? '');
  return folder;
};

const STORIES = count(500);
/** Where tiles become full, and near it. */
const SIZES = [0, 1, 2, 200, 255, 256, 257, 300, 511, 512, 513, 700] as const;

it('goes on from its checkpoint, whatever a power failure left of what is beyond it', async () => {
  const random = createRandom(seed('power failures while sealing'));
  for (let story = 0; story < STORIES; story++) {
    const folder = temporaryFolder();
    const earlier = temporaryFolder();
    await writeSealedLog(folder, random.pick(SIZES));
    cpSync(folder, earlier, { recursive: true });
    await writeSealedLog(folder, 1 + random.below(600));
    const crashed = crashedBetween(random, earlier, folder);
    expect(await wrongAfter(crashed, random.pick([0, 1, 50, 300]))).toEqual([]);
    for (const each of [folder, earlier, crashed]) rmSync(each, { recursive: true });
  }
}, 600_000);

const KILLS = count(60);

it('goes on after kill -9, and has what it had signed', async () => {
  const random = createRandom(seed('kill -9 while sealing'));
  for (let kill = 0; kill < KILLS; kill++) {
    const folder = temporaryFolder();
    for (let life = random.below(3); life >= 0; life--) {
      const size = existsSync(join(folder, 'checkpoint')) ? checkpointIn(folder).size : 0;
      const script = at('test/alerts/audit/sealing-child.mjs');
      const child = spawn(process.execPath, [script, folder, String(random.pick([1, 30, 400]))], { stdio: 'ignore' });
      onTestFinished(() => void child.kill('SIGKILL'));
      await until(() => existsSync(join(folder, 'checkpoint')) && checkpointIn(folder).size > size, 60_000);
      await delay(random.below(60));
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      expect(await ended).toEqual([null, 'SIGKILL']);
    }
    expect(await wrongAfter(folder, random.below(20))).toEqual([]);
    rmSync(folder, { recursive: true });
  }
}, 900_000);
