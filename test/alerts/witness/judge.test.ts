import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { openSeal } from '../../../alerts/audit/seal.ts';
import { openCheckpoint, parseCheckpoint, signCheckpoint } from '../../../alerts/transparency/checkpoint.ts';
import { cosignedAt } from '../../../alerts/transparency/cosignature.ts';
import { createSigner, SIGNATURE, type Signer } from '../../../alerts/transparency/key.ts';
import { withSignature } from '../../../alerts/transparency/note.ts';
import { readTiles } from '../../../alerts/transparency/tile-folder.ts';
import { rootOfFirst, treeOf } from '../../../alerts/transparency/tree.ts';
import type { Alarm } from '../../../alerts/witness/alarm.ts';
import { createJudge, type WitnessReply } from '../../../alerts/witness/judge.ts';
import { addCheckpointBody } from '../../../alerts/witness/request.ts';
import { openWitnessState } from '../../../alerts/witness/state.ts';
import { signStatement } from '../../../alerts/witness/statement.ts';
import { NO_KEYS } from '../../../alerts/witness/trust.ts';
import { count, seed } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { createRandom, type Random } from '../../support/random.ts';

vi.setConfig({ testTimeout: 600_000 });

const ORIGIN = 'web-1/shrike/0123abcd';

interface Log {
  readonly signer: Signer;
  checkpoint(size: number): string;
  proof(old: number, size: number): readonly Uint8Array[];
  oldRoot(old: number, size: number): string;
}

/** A log that was signed at each of its sizes; `from` on its entries are others than those of a log with the same key. */
const makeLog = async (size: number, signer: Signer, from = size): Promise<Log> => {
  const folder = join(temporaryFolder(), 'log');
  mkdirSync(folder);
  const seal = openSeal(folder, signer);
  for (let entry = 0; entry < size; entry++) seal.add(Buffer.from(`${entry < from ? 'entry' : 'other'} ${entry}`));
  await seal.sign();
  const read = readTiles(folder);
  return {
    signer,
    checkpoint: (at) => signCheckpoint({ size: at, root: rootOfFirst(at, size, read) }, signer),
    proof: (old, at) =>
      treeOf(at, ({ level, index }) => {
        const width = Math.min(256, Math.floor(size / 256 ** level) - index * 256);
        return read({ level, index, width });
      }).consistency(old),
    oldRoot: (old) => Buffer.from(rootOfFirst(old, size, read)).toString('base64'),
  };
};

const makeJudge = () => {
  const alarms: Alarm[] = [];
  const signer = createSigner('watch-1/shrike/witness', SIGNATURE.cosignature);
  const state = openWitnessState(temporaryFolder());
  const judge = createJudge({
    ...{ signer, state, trust: NO_KEYS, trustOnFirstUse: true },
    alarm: async (alarm) => void alarms.push(alarm),
  });
  const ask = (
    log: Log,
    old: number,
    size: number,
    {
      host = 'web_1',
      proof = log.proof(old, size),
      checkpoint = log.checkpoint(size),
      oldRoot = old > 0 ? log.oldRoot(old, size) : undefined,
    }: { host?: string; proof?: readonly Uint8Array[]; checkpoint?: string; oldRoot?: string | undefined } = {},
  ): Promise<WitnessReply> =>
    judge.judge({
      ...{ hostToken: host, body: addCheckpointBody({ old, proof, checkpoint }), key: log.signer.verifier.text },
      ...(oldRoot !== undefined && { oldRoot }),
    });
  return { alarms, signer, state, judge, ask };
};

const damaged = (proof: readonly Uint8Array[], random: Random): readonly Uint8Array[] => {
  const way = random.below(3);
  if (way === 0 || proof.length === 0) return [...proof, Buffer.alloc(32, random.below(256))];
  const at = random.below(proof.length);
  if (way === 1) return proof.filter((_, index) => index !== at);
  const changed = Buffer.from(proof[at]!);
  changed[random.below(32)]! ^= 1 + random.below(255);
  return proof.with(at, changed);
};

it('never alarms of a log that only grew, whatever is late, repeated or damaged on the way', async () => {
  const random = createRandom(seed('late requests'));
  const most = 700;
  const log = await makeLog(most, createSigner(ORIGIN));
  const { alarms, signer, state, ask } = makeJudge();
  let known = 0;
  for (let request = 0; request < count(20_000); request++) {
    const size = 1 + random.below(Math.min(most, known + 20));
    const old = random.below(2) === 0 ? Math.min(known, size) : random.below(size + 1);
    const right = log.proof(old, size);
    const isDamaged = random.below(4) === 0;
    const proof = isDamaged ? damaged(right, random) : right;
    const oldRoot = random.below(4) === 0 ? Buffer.alloc(32, 7).toString('base64') : log.oldRoot(old || 1, size);
    const { status, body } = await ask(log, old, size, { proof, oldRoot });
    if (status === 200) {
      expect([old, size]).toEqual([known, Math.max(known, size)]);
      expect(isDamaged).toBe(false);
      expect(cosignedAt(parseCheckpoint(withSignature(log.checkpoint(size), body)), signer.verifier)).toBeDefined();
      known = size;
    } else if (status === 409) expect(body).toBe(`${known}\n`);
    else expect(status).toBe(422);
    expect(state.logs.get(ORIGIN)?.found.size ?? 0).toBe(known);
  }
  expect(alarms).toEqual([]);
});

it('alarms of every fork at once, wherever it begins and however long it is', async () => {
  const random = createRandom(seed('forks'));
  for (let fork = 0; fork < count(300); fork++) {
    const key = createSigner(ORIGIN);
    const [known, longer] = [1 + random.below(300), random.below(300)];
    const log = await makeLog(known, key);
    const other = await makeLog(known + longer, key, random.below(known));
    const { alarms, state, ask } = makeJudge();
    expect((await ask(log, 0, known)).status).toBe(200);
    expect((await ask(other, known, known + longer)).status).toBe(longer === 0 ? 409 : 422);
    expect(alarms.map(({ kind }) => kind)).toEqual(['forked']);
    expect(state.logs.get(ORIGIN)?.found.size).toBe(known);
  }
});

describe('what is refused', () => {
  it('is said with a status and a sentence', async () => {
    const log = await makeLog(9, createSigner(ORIGIN));
    const stranger = await makeLog(9, createSigner(ORIGIN));
    const { alarms, judge, ask } = makeJudge();
    const bodyOf = async (body: string) => judge.judge({ hostToken: 'web_1', body });
    expect(await bodyOf('old x\n\n')).toEqual({
      status: 400,
      body: 'no add-checkpoint request: expected "old SIZE", hashes, an empty line and a checkpoint\n',
    });
    expect(await bodyOf(`old 1\nAAAA\n\n${log.checkpoint(3)}`)).toEqual({
      status: 400,
      body: '"AAAA" is no hash of 32 bytes in base64\n',
    });
    expect(await ask(log, 0, 9, { proof: Array.from({ length: 64 }, () => Buffer.alloc(32)) })).toEqual({
      status: 400,
      body: 'a proof of 64 hashes; there are never more than 63\n',
    });
    expect(await ask(log, 5, 4, { proof: [], oldRoot: undefined })).toEqual({
      status: 400,
      body: "the old size 5 is larger than the checkpoint's, 4\n",
    });
    expect(await ask(log, 0, 9, { host: 'web_2' })).toEqual({
      status: 403,
      body: 'the log web-1/shrike/0123abcd is not of the host that asks, web_2\n',
    });
    expect((await ask(log, 0, 4)).status).toBe(200);
    expect(await ask(stranger, 4, 9)).toEqual({
      status: 403,
      body: 'the checkpoint of web-1/shrike/0123abcd is not signed by a key that is trusted\n',
    });
    expect(await ask(log, 4, 9, { proof: [], oldRoot: undefined })).toEqual({
      status: 422,
      body: 'the proof from 4 to 9 entries does not hold\n',
    });
    expect(await ask(log, 3, 9)).toEqual({ status: 409, body: '4\n', known: log.checkpoint(4) });
    expect(alarms).toEqual([]);
  });

  it('a smaller checkpoint, until its log signs that it knows of the larger one', async () => {
    const log = await makeLog(9, createSigner(ORIGIN));
    const { alarms, ask } = makeJudge();
    await ask(log, 0, 9);
    expect(await ask(log, 4, 4)).toEqual({ status: 409, body: '9\n', known: log.checkpoint(9) });
    const smaller = openCheckpoint(log.checkpoint(4), log.signer.verifier);
    const { root } = openCheckpoint(log.checkpoint(9), log.signer.verifier);
    const other = signStatement(smaller, { kind: 'after', size: 9, root: Buffer.alloc(32) }, log.signer);
    expect((await ask(log, 4, 4, { checkpoint: other })).status).toBe(409);
    expect(alarms).toEqual([]);
    const checkpoint = signStatement(smaller, { kind: 'after', size: 9, root }, log.signer);
    expect((await ask(log, 4, 4, { checkpoint })).status).toBe(409);
    expect(alarms.map(({ kind, sentence }) => [kind, sentence])).toEqual([
      [
        'shrunk',
        'the audit log was cut or an older copy was put back: web-1/shrike/0123abcd signed that it has 4 entries after it had 9',
      ],
    ]);
  });
});
