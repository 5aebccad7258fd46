import { chmodSync, cpSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openAuditLog } from '../../../alerts/audit/log.ts';
import { KEY_FILE, PUBLIC_KEY_FILE, readPublicKey } from '../../../alerts/audit/log-key.ts';
import { readAuditLog } from '../../../alerts/audit/read.ts';
import { CHECKPOINT_FILE } from '../../../alerts/audit/seal.ts';
import { verifyAuditLog } from '../../../alerts/audit/verify.ts';
import { parseCheckpoint } from '../../../alerts/transparency/checkpoint.ts';
import { cosign, cosignedAt } from '../../../alerts/transparency/cosignature.ts';
import { createSigner, SIGNATURE } from '../../../alerts/transparency/key.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { openSealedLog, SEALED_HOST, writeSealedLog } from '../../support/sealed-log.ts';
import { until } from '../../support/until.ts';

const verify = (folder: string) => verifyAuditLog({ folder, key: readPublicKey(folder)! });
const sizeIn = (folder: string): number => parseCheckpoint(readFileSync(join(folder, CHECKPOINT_FILE), 'utf8')).size;

const losses = async (folder: string): Promise<readonly unknown[]> => {
  const found: unknown[] = [];
  for await (const { entry } of readAuditLog(folder)) if (entry.kind === 'loss') found.push(entry.body);
  return found;
};

describe('a log that is sealed while it is written', () => {
  it('is signed each second where it grew, and at its end', async () => {
    const folder = temporaryFolder();
    const { log, sealer, signed } = await openSealedLog(folder, {}, 20);
    expect(sizeIn(folder)).toBe(0);
    for (let entry = 0; entry < 300; entry++) log.append('start', { entry });
    await until(() => sealer.state.sealed === 300);
    log.append('stop', {});
    await log.close();
    expect(sealer.state).toMatchObject({ sealed: 301, refusal: undefined, trouble: undefined });
    const sizes = signed.map((text) => parseCheckpoint(text).size);
    expect(sizes).toEqual([...new Set(sizes)].sort((one, other) => one - other));
    expect(sizes.at(-1)).toBe(301);
    expect(await verify(folder)).toMatchObject({ verified: 301, unsigned: 0, findings: [] });
  });

  it('goes on from the last checkpoint, with what was written since by agents that did not seal', async () => {
    const folder = temporaryFolder();
    await writeSealedLog(folder, 700, { segmentBytes: 20_000 });
    const key = readFileSync(join(folder, KEY_FILE), 'utf8');
    const unsealed = await openAuditLog({ folder, host: SEALED_HOST, reserveBytes: 0, segmentBytes: 20_000 });
    for (let entry = 0; entry < 300; entry++) unsealed.append('start', { entry });
    await unsealed.close();
    expect(await verify(folder)).toMatchObject({ verified: 700, unsigned: 300, findings: [] });
    const { warned } = await writeSealedLog(folder, 10);
    expect(warned).toEqual([]);
    expect(await verify(folder)).toMatchObject({ verified: 1_010, unsigned: 0, findings: [] });
    expect(readFileSync(join(folder, KEY_FILE), 'utf8')).toBe(key);
  });

  it('has a key of its own that only its user can read', async () => {
    const folder = temporaryFolder();
    const { sealer } = await writeSealedLog(folder, 1);
    expect(statSync(join(folder, KEY_FILE)).mode & 0o777).toBe(0o600);
    expect(sealer.state.origin).toMatch(/^web-1\/shrike\/[0-9a-f]{8}$/);
    expect(readFileSync(join(folder, PUBLIC_KEY_FILE), 'utf8')).toMatch(
      /^web-1\/shrike\/[0-9a-f]{8}\+[0-9a-f]{8}\+\S+\n$/,
    );
    expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  it('loses nothing unsigned to retention, and says what it loses', async () => {
    const folder = temporaryFolder();
    const { log, sealer } = await openSealedLog(folder, { segmentBytes: 2_000, keepBytes: 6_000 });
    for (let entry = 0; entry < 200; entry++) {
      log.append('start', { entry });
      if (entry % 10 === 0) await log.flush();
    }
    await log.flush();
    await log.upkeep();
    expect(readdirSync(folder)).toContain('audit-000001.jsonl');
    await sealer.seal();
    await log.upkeep();
    const before = await verify(folder);
    expect([before.firstKept, before.findings]).toEqual([1, []]);
    await sealer.seal();
    await log.upkeep();
    expect(readdirSync(folder)).not.toContain('audit-000001.jsonl');
    expect((await verify(folder)).findings).toEqual([]);
    await log.close();
    const { findings, firstKept, verified } = await verify(folder);
    expect(findings).toEqual([]);
    expect(firstKept).toBeGreaterThan(1);
    expect(firstKept + verified - 1).toBe(sizeIn(folder));
  });

  it('has no gap after a crash between records of removals and the removals', async () => {
    const folder = temporaryFolder();
    const limits = { segmentBytes: 600, keepBytes: 6_000 };
    const { log, sealer } = await openSealedLog(folder, limits);
    for (let entry = 0; entry < 150; entry++) {
      log.append('start', { host: SEALED_HOST, entry });
      await log.flush();
    }
    await sealer.seal();
    await log.upkeep();
    const crashed = join(temporaryFolder(), 'audit');
    cpSync(folder, crashed, { recursive: true });
    await log.close();
    const records = new Set<string>();
    for await (const { entry, path } of readAuditLog(crashed)) if (entry.kind === 'shed') records.add(path);
    expect(records.size).toBeGreaterThan(1);
    await writeSealedLog(crashed, 1, { segmentBytes: 600 });
    const { findings, firstKept } = await verify(crashed);
    expect(findings).toEqual([]);
    expect(firstKept).toBeGreaterThan(1);
  });

  it('keeps the cosignatures of its newest checkpoint, and takes none of an older one', async () => {
    const folder = temporaryFolder();
    const { log, sealer, signed } = await openSealedLog(folder);
    const witness = createSigner('witness', SIGNATURE.cosignature);
    const cosigned = (text: string, time = 1_800_000_000): string => cosign(parseCheckpoint(text), witness, time);
    log.append('start', {});
    await sealer.seal();
    for (let second = 0; second < 3; second++)
      await sealer.addSignatures(signed[0]!, cosigned(signed[0]!, 1_799_999_000 + second));
    expect(await sealer.addSignatures(signed[0]!, cosigned(signed[0]!))).toBe(true);
    expect(parseCheckpoint(sealer.checkpoint!).note.signatures).toHaveLength(2);
    expect(cosignedAt(parseCheckpoint(readFileSync(join(folder, CHECKPOINT_FILE), 'utf8')), witness.verifier)).toBe(
      1_800_000_000,
    );
    log.append('stop', {});
    await sealer.seal();
    expect(await sealer.addSignatures(signed[0]!, cosigned(signed[0]!))).toBe(false);
    await log.close();
    expect(readFileSync(join(folder, CHECKPOINT_FILE), 'utf8')).toBe(signed[1]);
    expect((await verify(folder)).findings).toEqual([]);
  });

  it('goes on where a listener fails', async () => {
    const folder = temporaryFolder();
    const { log, sealer, warned } = await openSealedLog(folder);
    sealer.onCheckpoint(() => {
      throw new Error('no witness');
    });
    log.append('start', {});
    await log.close();
    expect(warned).toEqual(['a checkpoint was signed and could not be passed on: no witness']);
    expect(sizeIn(folder)).toBe(1);
  });
});

const GOES_ON = 'the agent goes on, and nothing is signed';

/** What is said of a log of 300 entries after something was done to its folder; the log goes on and takes an entry. */
const refusalAfter = async (act: (folder: string) => void | Promise<void>): Promise<string> => {
  const folder = temporaryFolder();
  await writeSealedLog(folder, 300);
  await act(folder);
  const before = readFileSync(join(folder, PUBLIC_KEY_FILE), { encoding: 'utf8', flag: 'a+' });
  const { warned, sealer, log } = await writeSealedLog(folder, 1);
  expect(sealer.state.refusal).toBeDefined();
  expect(warned).toEqual([`the audit log is not sealed any more: ${sealer.state.refusal}; ${GOES_ON}`]);
  expect(log.committed).toBe(log.last);
  expect(await losses(folder)).toContainEqual({
    unsealed: true,
    from: expect.any(Number),
    reason: sealer.state.refusal,
  });
  expect(readFileSync(join(folder, PUBLIC_KEY_FILE), 'utf8')).toBe(before);
  return sealer.state.refusal!.replaceAll(folder, 'F');
};

const cutTo = (folder: string, lines: number): void => {
  const path = join(folder, 'audit-000001.jsonl');
  writeFileSync(path, readFileSync(path, 'utf8').split('\n').slice(0, lines).join('\n').concat('\n'));
  rmSync(join(folder, 'committed'));
};

describe('sealing refuses', () => {
  it('a log that is shorter than its checkpoint', async () => {
    expect(await refusalAfter((folder) => cutTo(folder, 290))).toBe(
      'F/checkpoint is of 300 entries, but the log has 290: entries 291 to 300 were signed and are gone; keep the folder as it is, it shows what happened, and give the agent another',
    );
    expect(await refusalAfter((folder) => cutTo(folder, 299))).toBe(
      'F/checkpoint is of 300 entries, but the log has 299: entry 300 was signed and is gone; keep the folder as it is, it shows what happened, and give the agent another',
    );
  });

  it('a log whose last lines are not those that were signed', async () => {
    const rewritten = await refusalAfter(async (folder) => {
      const other = temporaryFolder();
      const { log } = await openSealedLog(other);
      for (let entry = 0; entry < 300; entry++) log.append('start', { another: entry });
      await log.close();
      cpSync(join(other, 'audit-000001.jsonl'), join(folder, 'audit-000001.jsonl'));
      rmSync(join(folder, 'committed'));
    });
    expect(rewritten).toBe(
      'F/audit-000001.jsonl:257: entry 257 is not the one that was signed: "shrike audit verify F" says what else was changed; keep the folder as it is, and give the agent another',
    );
  });

  it("another log's checkpoint", async () => {
    const other = temporaryFolder();
    await writeSealedLog(other, 300);
    const foreign = await refusalAfter((folder) => cpSync(join(other, CHECKPOINT_FILE), join(folder, CHECKPOINT_FILE)));
    expect(foreign).toMatch(
      /^F\/checkpoint, and F\/log\.key: the checkpoint is of the log web-1\/shrike\/[0-9a-f]{8}, the key of web-1\/shrike\/[0-9a-f]{8}$/,
    );
  });

  it('a checkpoint that was changed, or that is gone', async () => {
    const path = (folder: string) => join(folder, CHECKPOINT_FILE);
    const changed = await refusalAfter((folder) =>
      writeFileSync(path(folder), readFileSync(path(folder), 'utf8').replace('\n300\n', '\n299\n')),
    );
    expect(changed).toMatch(
      /^F\/checkpoint, and F\/log\.key: the checkpoint's signature in the name of web-1\/shrike\/[0-9a-f]{8} is not of its key: it was changed$/,
    );
    expect(await refusalAfter((folder) => rmSync(path(folder)))).toBe(
      'F/checkpoint is missing, but the tiles that it signed are there: put it back, or give the agent another folder',
    );
  });

  it('tiles that are gone or changed', async () => {
    expect(await refusalAfter((folder) => rmSync(join(folder, 'tile/0/001.p'), { recursive: true }))).toBe(
      'F/checkpoint, and F/log.key: F/tile/0/001.p/44 is missing: the hashes of those entries are gone',
    );
    const changed = await refusalAfter((folder) => {
      const path = join(folder, 'tile/0/001.p/44');
      const tile = readFileSync(path);
      tile[5]! ^= 1;
      writeFileSync(path, tile);
    });
    expect(changed).toBe(
      `F/checkpoint, and F/log.key: the tiles in F/tile don't lead to the root of F/checkpoint: "shrike audit verify" says what was changed`,
    );
  });

  it("a key that is gone, open to others, damaged or another log's", async () => {
    const path = (folder: string) => join(folder, KEY_FILE);
    expect(await refusalAfter((folder) => rmSync(path(folder)))).toBe(
      'F/log.key is missing, but F/log.pub is there, so that this log was signed before: put its key back, or give the agent another folder',
    );
    expect(await refusalAfter((folder) => chmodSync(path(folder), 0o644))).toBe(
      `F/log.key is open to other users (mode 644), and who reads it can sign another log in this one's place: chmod 600 it, and rotate it ("shrike audit rotate-key") if anybody may have read it`,
    );
    const cut = (folder: string) => writeFileSync(path(folder), readFileSync(path(folder)).subarray(0, 60));
    expect(await refusalAfter(cut)).toBe(
      'F/log.key: not a private key: expected PRIVATE+KEY+NAME+ID+BASE64 with the ID that fits',
    );
    const other = temporaryFolder();
    await writeSealedLog(other, 1);
    expect(await refusalAfter((folder) => renameSync(path(other), path(folder)))).toMatch(
      /^F\/log\.key is not the key of F\/log\.pub: it is of web-1\/shrike\/[0-9a-f]{8} \([0-9a-f]{8}\), not web-1\/shrike\/[0-9a-f]{8} \([0-9a-f]{8}\); put the right one there$/,
    );
  });

  it('a log whose beginning was removed before anybody signed', async () => {
    const folder = temporaryFolder();
    const log = await openAuditLog({
      folder,
      host: SEALED_HOST,
      reserveBytes: 0,
      segmentBytes: 1_000,
      upkeepEveryMs: 0,
    });
    for (let entry = 0; entry < 50; entry++) {
      log.append('start', { entry });
      await log.flush();
    }
    await log.close();
    rmSync(join(folder, 'audit-000001.jsonl'));
    const { warned } = await writeSealedLog(folder, 1);
    expect(warned.map((each) => each.replaceAll(folder, 'F').replaceAll(/entry \d+:|to \d+ /g, 'N'))).toEqual([
      `the audit log is not sealed any more: the log in F begins with N entries 1 Nwere removed before anybody signed; give the agent another folder; ${GOES_ON}`,
    ]);
  });
});
