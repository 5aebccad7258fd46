import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openAuditLog, parseCheckpoint } from '../../alerts/index.ts';
import { cosign } from '../../alerts/transparency/cosignature.ts';
import { createSigner, SIGNATURE } from '../../alerts/transparency/key.ts';
import { shrike } from '../support/command.ts';
import { temporaryFolder } from '../support/folder.ts';
import { openSealedLog, SEALED_HOST, writeSealedLog } from '../support/sealed-log.ts';

const OWN =
  "checked with the key in the log's own folder, which whoever rewrites a log can replace: --key with one that is kept elsewhere shows more\n";

interface Kept {
  readonly folder: string;
  /** Copies of what an auditor keeps elsewhere. */
  readonly key: string;
  readonly checkpoint: string;
  readonly origin: string;
  readonly keyText: string;
}

/** A log of so many entries, and copies of its key and checkpoint. */
const keptLog = async (entries = 300): Promise<Kept> => {
  const folder = temporaryFolder();
  const elsewhere = temporaryFolder();
  await writeSealedLog(folder, entries);
  const [key, checkpoint] = [join(elsewhere, 'key.pub'), join(elsewhere, 'kept.checkpoint')];
  cpSync(join(folder, 'log.pub'), key);
  cpSync(join(folder, 'checkpoint'), checkpoint);
  const keyText = readFileSync(key, 'utf8').trim();
  return { folder, key, checkpoint, keyText, origin: keyText.split('+')[0]! };
};

const verify = (...args: readonly string[]) => shrike('audit', 'verify', ...args);
const prove = (...args: readonly string[]) => shrike('audit', 'prove', ...args);
const checkProof = (...args: readonly string[]) => shrike('audit', 'check-proof', ...args);

const segment = (folder: string): string => join(folder, 'audit-000001.jsonl');
const linesOf = (folder: string): string[] => readFileSync(segment(folder), 'utf8').split('\n');
const rewrite = (folder: string, change: (lines: string[]) => void): void => {
  const lines = linesOf(folder);
  change(lines);
  writeFileSync(segment(folder), lines.join('\n'));
};

describe('shrike audit verify', () => {
  it('says that a log is what was signed, by which key', async () => {
    const { folder, key, keyText, origin } = await keptLog();
    const verified = `log        ${origin}, 300 entries signed\nkey        ${keyText}\nverified   300 entries\nThe log is what was signed.\n`;
    expect(await verify(folder, '--key', key)).toEqual({ code: 0, stdout: verified, stderr: '' });
    expect(await verify(folder, '--key', keyText)).toEqual({ code: 0, stdout: verified, stderr: '' });
    expect(await verify(folder)).toEqual({ code: 0, stdout: `${verified}${OWN}`, stderr: '' });
  });

  it('works on a copy without the private key, that nobody may write', async () => {
    const { folder, key } = await keptLog(20);
    const copy = temporaryFolder();
    cpSync(folder, copy, { recursive: true });
    rmSync(join(copy, 'log.key'));
    for (const name of readdirSync(copy)) if (statSync(join(copy, name)).isFile()) chmodSync(join(copy, name), 0o400);
    const before = readdirSync(copy, { recursive: true });
    expect((await verify(copy, '--key', key)).code).toBe(0);
    expect(readdirSync(copy, { recursive: true })).toEqual(before);
  });

  it('works on a log that is being written, with a torn last line', async () => {
    const folder = temporaryFolder();
    const { log, sealer } = await openSealedLog(folder);
    for (let entry = 0; entry < 10; entry++) log.append('start', { entry });
    await sealer.seal();
    for (let entry = 0; entry < 5; entry++) log.append('start', { entry });
    await log.flush();
    writeFileSync(segment(folder), '{"v":1,"se', { flag: 'a' });
    const { code, stdout } = await verify(folder);
    await log.close();
    expect(code).toBe(0);
    expect(stdout).toContain(
      '\nverified   10 entries\nunsigned   5 entries behind the checkpoint: nothing is known of them yet\n',
    );
  });

  it('names each line that was edited, exchanged or taken away', async () => {
    const { folder, key } = await keptLog();
    rewrite(folder, (lines) => {
      lines[6] = lines[6]!.replace('"kind":"start"', '"kind":"alert"');
      [lines[19], lines[20]] = [lines[20]!, lines[19]!];
      lines.splice(49, 3);
    });
    const { code, stdout } = await verify(folder, '--key', key);
    expect(code).toBe(1);
    const path = segment(folder);
    expect(stdout.split('\n').filter((line) => line.startsWith('✗'))).toEqual([
      expect.stringMatching(
        new RegExp(
          `^✗ ${path}:7: entry 7 was changed: the checksum is [0-9a-f]{8}, but the line's bytes give [0-9a-f]{8} at byte \\d+$`,
        ),
      ),
      `✗ ${path}:20: entry 20 is missing`,
      `✗ ${path}:21: entry 20 stands here too late or again, where entry 22 should be`,
      `✗ ${path}:50: entries 50 to 52 are missing`,
    ]);
    expect(stdout).toContain('The log is not what was signed: 4 findings.\n');
  });

  it('names what was cut off', async () => {
    const { folder, key } = await keptLog();
    rewrite(folder, (lines) => void lines.splice(290));
    writeFileSync(segment(folder), '\n', { flag: 'a' });
    const { code, stdout } = await verify(folder, '--key', key, '--json');
    expect(code).toBe(1);
    const [finding, summary, ...rest] = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(finding).toEqual({
      type: 'finding',
      code: 'missing',
      first: 291,
      last: 300,
      message: `${segment(folder)}: entries 291 to 300 are missing`,
    });
    expect(summary).toMatchObject({ type: 'summary', ok: false, size: 300, verified: 290, ownKey: false, findings: 1 });
    expect(rest).toEqual([]);
  });

  it("names another log's checkpoint, another key, and missing tiles", async () => {
    const [one, other] = [await keptLog(), await keptLog(20)];
    const first = async (...args: readonly string[]) =>
      (await verify(...args)).stdout.split('\n')[0]?.replace(one.folder, 'F');
    const cosmetic = temporaryFolder();
    cpSync(one.folder, cosmetic, { recursive: true });
    cpSync(join(other.folder, 'checkpoint'), join(cosmetic, 'checkpoint'));
    expect(await first(cosmetic, '--key', one.key)).toBe(
      `✗ ${cosmetic}/checkpoint: the checkpoint is of the log ${other.origin}, the key of ${one.origin}`,
    );
    expect(await first(one.folder, '--key', other.key)).toBe(
      `✗ F/checkpoint: the checkpoint is of the log ${one.origin}, the key of ${other.origin}`,
    );
    const impostor = createSigner(one.origin).verifier.text;
    expect(await first(one.folder, '--key', impostor)).toBe(
      `✗ F/checkpoint: no signature of the checkpoint is of the key ${impostor}: another key has signed it`,
    );
    rmSync(join(one.folder, 'tile/0/000'));
    expect(await first(one.folder, '--key', one.key)).toBe(
      "✗ F/tile/0/000 is missing: the hashes of those entries are gone; entries 1 to 256 can't be checked",
    );
  });

  it('names what of the input can not be used', async () => {
    const { folder, key } = await keptLog(3);
    const nothing = temporaryFolder();
    const wrong = async (...args: readonly string[]) => {
      const { code, stdout, stderr } = await verify(...args);
      expect([code, stdout]).toEqual([2, '']);
      return stderr;
    };
    const none = join(nothing, 'none');
    const noFolder = `shrike: ${none}: there is no such folder; give the folder of an audit log, which "shrike run" prints at its end\n`;
    expect(await wrong(none, '--key', key)).toBe(noFolder);
    expect((await prove(none, '--seq', '1')).stderr).toBe(noFolder);
    expect((await shrike('audit', 'rotate-key', none)).stderr).toBe(noFolder);
    expect(await wrong(nothing)).toBe(
      `shrike: ${nothing}/log.pub is missing: give the log's public key with --key, from a file or as it is\n`,
    );
    expect(await wrong(folder, '--key', join(nothing, 'none.pub'))).toBe(
      `shrike: ${nothing}/none.pub can't be read: ENOENT: no such file or directory, open '${nothing}/none.pub'\n`,
    );
    expect(await wrong(folder, '--key', segment(folder))).toBe(
      `shrike: ${segment(folder)}: not a public key: expected NAME+ID+BASE64, as the file of a public key has it, copied whole\n`,
    );
    expect(await wrong(folder, '--key', key, '--before', key)).toBe(
      `shrike: ${key}: not a signed note: expected a text, an empty line and signatures, each line ended\n`,
    );
  });

  it('tells a log that was rewritten with its own key from what somebody has seen of it', async () => {
    const { folder, key, checkpoint, origin } = await keptLog();
    expect((await verify(folder, '--key', key, '--before', checkpoint)).code).toBe(0);
    const secret = readFileSync(join(folder, 'log.key'), 'utf8');
    const forged = temporaryFolder();
    for (const name of ['log.key', 'log.pub']) cpSync(join(folder, name), join(forged, name));
    const { log } = await openSealedLog(forged);
    for (let entry = 0; entry < 310; entry++) log.append('start', { host: SEALED_HOST, innocent: entry });
    await log.close();
    expect(readFileSync(join(forged, 'log.key'), 'utf8')).toBe(secret);
    expect((await verify(forged, '--key', key)).code).toBe(0);
    const { code, stdout } = await verify(forged, '--key', key, '--before', checkpoint);
    expect([code, stdout.split('\n')[0]]).toEqual([
      1,
      '✗ the log was rewritten: of its first 300 entries, those up to 0 are as they were, and at least one from 1 to 300 is not',
    ]);
    const shrunk = temporaryFolder();
    for (const name of ['log.key', 'log.pub']) cpSync(join(folder, name), join(shrunk, name));
    await writeSealedLog(shrunk, 290);
    expect((await verify(shrunk, '--key', key, '--since-checkpoint', checkpoint)).stdout.split('\n')[0]).toBe(
      '✗ the log has shrunk: it had 300 entries, now it has 290: entries 291 to 300 are gone',
    );
    const stranger = await keptLog(5);
    expect((await verify(folder, '--key', key, '--before', stranger.checkpoint)).stderr).toBe(
      `shrike: ${stranger.checkpoint}: the checkpoint is of the log ${stranger.origin}, the key of ${origin}\n`,
    );
  });

  it('reads only what came after a checkpoint that was kept', async () => {
    const folder = temporaryFolder();
    await writeSealedLog(folder, 300, { segmentBytes: 10_000 });
    const checkpoint = join(temporaryFolder(), 'kept');
    cpSync(join(folder, 'checkpoint'), checkpoint);
    await writeSealedLog(folder, 40, { segmentBytes: 10_000 });
    const { code, stdout } = await verify(folder, '--since-checkpoint', checkpoint);
    const [, verified = ''] = /\nverified {3}(\d+) entries, since the checkpoint of 300 entries\n/.exec(stdout) ?? [];
    expect([code, Number(verified) >= 40, Number(verified) < 300]).toEqual([0, true, true]);
  });

  it('asks for the cosignature of a witness', async () => {
    const { folder, key } = await keptLog(3);
    const witness = createSigner('soc/shrike/witness', SIGNATURE.cosignature);
    const asked = [folder, '--key', key, '--witness', witness.verifier.text];
    const without = await verify(...asked);
    expect([without.code, without.stdout.split('\n')[0]]).toEqual([
      1,
      '✗ the newest checkpoint has no cosignature of soc/shrike/witness',
    ]);
    const path = join(folder, 'checkpoint');
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, `${text}${cosign(parseCheckpoint(text), witness, 1_800_000_000)}`);
    const witnessed = await verify(...asked);
    expect(witnessed.code).toBe(0);
    expect(witnessed.stdout).toContain('\nwitnessed  by soc/shrike/witness, 2027-01-15T08:00:00Z\n');
    expect((await verify(folder, '--witness', key)).stderr).toMatch(
      /^shrike: \S+: this is the key of \S+, not of a witness/,
    );
  });
});

describe('shrike audit prove, and check-proof without the log', () => {
  it('proves that an entry is in the log', async () => {
    const { folder, key, origin } = await keptLog();
    const line = linesOf(folder)[122]!;
    const proof = join(temporaryFolder(), 'entry.tlog-proof');
    expect(await prove(folder, '--seq', '123', '--key', key, '--out', proof)).toEqual({
      code: 0,
      stdout: '',
      stderr: `${proof}: by the checkpoint of 300 entries of ${origin}\n`,
    });
    const text = readFileSync(proof, 'utf8');
    expect(text.split('\n').slice(0, 3)).toEqual([
      'c2sp.org/tlog-proof@v1',
      `extra ${Buffer.from(line).toString('base64')}`,
      'index 122',
    ]);
    expect((await prove(folder, '--seq', '123')).stdout).toBe(text);
    rmSync(folder, { recursive: true });
    expect(await checkProof(proof, '--key', key)).toEqual({
      code: 0,
      stdout: `Entry 123 is in the log ${origin} of 300 entries:\n${line}\n`,
      stderr: '',
    });
    const json = JSON.parse((await checkProof(proof, '--key', key, '--json')).stdout) as unknown;
    expect(json).toMatchObject({ ok: true, kind: 'inclusion', origin, size: 300, entry: { seq: 123, kind: 'start' } });
  });

  it('proves that the log has only grown', async () => {
    const { folder, key, checkpoint, origin } = await keptLog();
    await writeSealedLog(folder, 45);
    const proof = join(temporaryFolder(), 'growth.proof');
    await prove(folder, '--checkpoint', checkpoint, '--out', proof);
    expect((await prove(folder, '--from-size', '300')).stdout).toBe(readFileSync(proof, 'utf8'));
    expect(await checkProof(proof, '--key', key, '--before', checkpoint)).toEqual({
      code: 0,
      stdout: `Nothing of the first 300 entries was changed in the log ${origin} of 345 entries.\n`,
      stderr: '',
    });
    const root = parseCheckpoint(readFileSync(checkpoint, 'utf8')).root;
    expect((await checkProof(proof, '--key', key)).stdout).toBe(
      `Nothing of the first 300 entries was changed in the log ${origin} of 345 entries.\ntheir root was ${Buffer.from(root).toString('base64')}: compare it with a checkpoint that was kept (--before)\n`,
    );
  });

  it('refuses each change of a proof, and says what is wrong', async () => {
    const { folder, key, keyText, origin } = await keptLog(40);
    const text = (await prove(folder, '--seq', '12')).stdout;
    const path = join(temporaryFolder(), 'p');
    const wrong = async (changed: string, ...args: readonly string[]) => {
      writeFileSync(path, changed);
      const { code, stdout, stderr } = await checkProof(path, '--key', args[0] ?? key, ...args.slice(1));
      expect(stdout).toBe('');
      return [code, stderr.replace(`shrike: ${path}: `, '').trimEnd()];
    };
    const lines = text.split('\n');
    const withLine = (at: number, line: string) => lines.with(at, line).join('\n');
    const other = linesOf(folder)[12]!;
    const leads = `the proof does not lead from the line to the root that was signed for 40 entries: the line is not entry 12 of ${origin}, or the proof was changed`;
    expect(await wrong(withLine(1, `extra ${Buffer.from(other).toString('base64')}`))).toEqual([1, leads]);
    expect(await wrong(withLine(3, Buffer.alloc(32, 7).toString('base64')))).toEqual([1, leads]);
    expect(await wrong(lines.toSpliced(3, 1).join('\n'))).toEqual([1, leads]);
    expect(await wrong(withLine(2, 'index 12'))).toEqual([1, leads.replace('entry 12', 'entry 13')]);
    expect(await wrong(lines.toSpliced(1, 1).join('\n'))).toEqual([
      1,
      'the proof has no line of the log with it, so that it says nothing about any',
    ]);
    expect(await wrong(text.replace('\n40\n', '\n41\n'))).toEqual([
      1,
      `the checkpoint's signature in the name of ${origin} is not of its key: it was changed`,
    ]);
    const impostor = createSigner(origin).verifier.text;
    expect(await wrong(text, impostor)).toEqual([
      1,
      `no signature of the checkpoint is of the key ${impostor}: another key has signed it`,
    ]);
    expect(await wrong(withLine(2, 'index twelve'))).toEqual([2, 'line 3 of the proof: expected "index" and a number']);
    expect(await wrong(withLine(4, 'abc'))).toEqual([2, 'line 5 of the proof: expected a hash of 32 bytes in base64']);
    expect(await wrong(keyText)).toEqual([
      2,
      'not a proof: expected "c2sp.org/tlog-proof@v1" or "shrike/consistency-proof@v1" in the first line, and a checkpoint behind an empty one',
    ]);
    const growth = (await prove(folder, '--from-size', '30')).stdout;
    const [head = '', from = '', ...rest] = growth.split('\n');
    expect(await wrong([head, from.replace('from 30', 'from 31'), ...rest].join('\n'))).toEqual([
      1,
      'the proof does not lead from 31 entries to the 40 that were signed: it was changed, or the log was',
    ]);
    expect(await wrong([head, 'from 30', ...rest].join('\n'))).toEqual([
      2,
      'line 2 of the proof: expected "from", a size and a root hash',
    ]);
    const now = join(folder, 'checkpoint');
    expect(await wrong(growth, key, '--before', now)).toEqual([
      1,
      `the proof begins from another state than the checkpoint: from 30 entries of ${origin}, not the 40 of ${origin} with that root`,
    ]);
    const witness = createSigner('soc', SIGNATURE.cosignature).verifier.text;
    expect(await wrong(growth, key, '--witness', witness)).toEqual([1, 'the checkpoint has no cosignature of soc']);
  });

  it('does not prove what is not so', async () => {
    const { folder, checkpoint } = await keptLog(40);
    const wrong = async (...args: readonly string[]) => {
      const { code, stdout, stderr } = await prove(folder, ...args);
      expect(stdout).toBe('');
      return [code, stderr.replaceAll(folder, 'F').trimEnd()];
    };
    expect(await wrong()).toEqual([
      2,
      'shrike: give one of --seq (an entry is in the log), --from-size and --checkpoint (the log has only grown)',
    ]);
    expect(await wrong('--seq', '41')).toEqual([
      1,
      'shrike: entry 41 is not signed: the checkpoint is of 40 entries; an agent that runs signs what is new each second',
    ]);
    expect(await wrong('--from-size', '41')).toEqual([
      1,
      'shrike: the log has 40 entries, fewer than the 41 to begin from',
    ]);
    const stranger = await keptLog(30);
    expect((await wrong('--checkpoint', stranger.checkpoint))[0]).toBe(2);
    const rewritten = temporaryFolder();
    for (const name of ['log.key', 'log.pub']) cpSync(join(folder, name), join(rewritten, name));
    const { log } = await openSealedLog(rewritten);
    for (let entry = 0; entry < 50; entry++) log.append('start', { host: SEALED_HOST, innocent: entry });
    await log.close();
    expect((await prove(rewritten, '--checkpoint', checkpoint)).stderr).toBe(
      'shrike: the log has not grown from that checkpoint: its first 40 entries are not those that were signed then; "shrike audit verify --before" says more\n',
    );
    rewrite(folder, (lines) => {
      lines[4] = linesOf(rewritten)[4]!;
    });
    expect(await wrong('--seq', '5')).toEqual([
      1,
      'shrike: entry 5 is not the one that was signed: "shrike audit verify" says what was changed',
    ]);
  });

  it('says that an entry is not kept any more', async () => {
    const folder = temporaryFolder();
    const { log, sealer } = await openSealedLog(folder, { segmentBytes: 2_000, keepBytes: 6_000 });
    for (let entry = 0; entry < 100; entry++) {
      log.append('start', { entry });
      await log.flush();
    }
    for (let round = 0; round < 3; round++) {
      await sealer.seal();
      await log.upkeep();
    }
    await log.close();
    const { stdout } = await verify(folder);
    const [, removed = ''] =
      /\nremoved {4}entries 1 to (\d+); their hashes are kept, and the log says when they went\n/.exec(stdout) ?? [];
    expect((await prove(folder, '--seq', removed)).stderr).toBe(
      `shrike: entry ${removed} is not kept any more: the log begins with entry ${Number(removed) + 1}; its hash is, its line is gone\n`,
    );
    const proof = join(temporaryFolder(), 'p');
    await prove(folder, '--seq', String(Number(removed) + 1), '--out', proof);
    expect((await checkProof(proof, '--key', join(folder, 'log.pub'))).code).toBe(0);
  });
});

describe('shrike audit rotate-key', () => {
  const rotate = (...args: readonly string[]) => shrike('audit', 'rotate-key', ...args);

  it('gives the log a new key, which verify follows from the old one', async () => {
    const { folder, key, keyText, checkpoint, origin } = await keptLog();
    const old = readFileSync(join(folder, 'log.key'), 'utf8');
    const { code, stdout } = await rotate(folder);
    const next = readFileSync(join(folder, 'log.pub'), 'utf8').trim();
    expect([code, stdout]).toEqual([
      0,
      `The key of ${origin} was changed by entry 301; rotated-000301.tlog-proof proves it.\nold  ${keyText}\nnew  ${next}\n`,
    ]);
    expect(next).not.toBe(keyText);
    expect(readFileSync(join(folder, 'log.key'), 'utf8')).not.toBe(old);
    expect(statSync(join(folder, 'log.key')).mode & 0o777).toBe(0o600);
    await writeSealedLog(folder, 10);
    await rotate(folder);
    const { warned } = await writeSealedLog(folder, 10);
    expect(warned).toEqual([]);
    const last = readFileSync(join(folder, 'log.pub'), 'utf8').trim();
    for (const [trusted, rotations] of [
      [key, [301, 312]],
      [next, [312]],
      [last, []],
    ] as const) {
      const verified = await verify(folder, '--key', trusted, '--before', checkpoint);
      expect(verified.code).toBe(0);
      expect(verified.stdout).toContain(`\nkey        ${last}\nverified   322 entries\n`);
      expect([...verified.stdout.matchAll(/^rotated .* by entry (\d+), /gm)].map(([, seq]) => Number(seq))).toEqual(
        rotations,
      );
    }
    expect((await prove(folder, '--seq', '5', '--key', key)).code).toBe(0);
  });

  it('is not followed where the old key has not signed it, or what it signed is not there', async () => {
    const { folder, key, keyText } = await keptLog(30);
    await rotate(folder);
    const proof = join(folder, 'rotated-000031.tlog-proof');
    const text = readFileSync(proof, 'utf8');
    await writeSealedLog(folder, 3);
    const unsigned = new RegExp(
      `^✗ ${folder}/checkpoint: no signature of the checkpoint is of the key ${keyText.replaceAll(/[+/.]/g, '\\$&')}: another key has signed it\n`,
    );
    rmSync(proof);
    expect((await verify(folder, '--key', key)).stdout).toMatch(unsigned);
    writeFileSync(proof, text.replace('\n31\n', '\n32\n'));
    expect((await verify(folder, '--key', key)).stdout).toMatch(unsigned);
    writeFileSync(proof, text);
    expect((await verify(folder, '--key', key)).code).toBe(0);
  });

  it('goes on after a crash between the new key and its public part', async () => {
    const { folder, key } = await keptLog(30);
    await rotate(folder);
    cpSync(key, join(folder, 'log.pub'));
    const { warned } = await writeSealedLog(folder, 3);
    expect(warned).toEqual([]);
    expect((await verify(folder, '--key', key)).code).toBe(0);
  });

  it('needs the folder for itself, and a log that is what was signed', async () => {
    const { folder } = await keptLog(30);
    const log = await openAuditLog({ folder, host: SEALED_HOST, reserveBytes: 0 });
    const busy = await rotate(folder);
    await log.close();
    expect(busy).toEqual({
      code: 3,
      stdout: '',
      stderr: `shrike: the audit log in ${folder} is in use by process ${process.pid}; stop it, or give this agent another folder\n`,
    });
    rmSync(join(folder, 'tile'), { recursive: true });
    const broken = await rotate(folder);
    expect([broken.code, broken.stderr]).toEqual([
      3,
      `shrike: the key is not changed: ${folder}/checkpoint, and ${folder}/log.key: ${folder}/tile/0/000.p/30 is missing: the hashes of those entries are gone\n`,
    ]);
    const nothing = temporaryFolder();
    expect((await rotate(nothing)).stderr).toBe(
      `shrike: ${nothing} has no audit log: give the folder that "shrike run --audit" names\n`,
    );
  });
});
