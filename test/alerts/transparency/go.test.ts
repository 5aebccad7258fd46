import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPublicKey } from '../../../alerts/audit/log-key.ts';
import { proveEntry } from '../../../alerts/audit/prove.ts';
import { readAuditLog } from '../../../alerts/audit/read.ts';
import { signCheckpoint } from '../../../alerts/transparency/checkpoint.ts';
import { createEdge } from '../../../alerts/transparency/edge.ts';
import { leafHash } from '../../../alerts/transparency/hash.ts';
import { createSigner } from '../../../alerts/transparency/key.ts';
import { parseProofFile } from '../../../alerts/transparency/proof-file.ts';
import { readTiles, writeTiles } from '../../../alerts/transparency/tile-folder.ts';
import { treeOf } from '../../../alerts/transparency/tree.ts';
import { count, seed, suiteSize } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { createRandom } from '../../support/random.ts';
import { writeSealedLog } from '../../support/sealed-log.ts';
import { buildGoChecker, type GoChecker, type GoInput, type GoProof, goUnavailable } from './go.ts';

const skip = goUnavailable();
const base64 = (hash: Uint8Array): string => Buffer.from(hash).toString('base64');

/** Where tiles, and rows of tiles, become full, and others. */
const SIZES =
  suiteSize === 'quick' ? [1, 257, 1000] : [1, 2, 3, 255, 256, 257, 511, 512, 1000, 65_535, 65_536, 66_000, 70_000];

/** Times that tiles are written while a log grows, more or less: each is on disk before the next. */
const WRITES = 30;

/** A log of so many leaves on disk, with proofs of ours. */
const logOf = async (size: number): Promise<GoInput> => {
  const folder = temporaryFolder();
  const random = createRandom(seed(`log of ${size}`));
  const leaves = Array.from({ length: size }, (_, index) =>
    Buffer.from(`{"v":1,"seq":${index + 1},"body":"${'x'.repeat(random.below(60))}"}`),
  );
  const edge = createEdge(0, readTiles(folder));
  const proofs = count(1_000);
  const earlier = Array.from({ length: proofs }, () => 1 + random.below(size));
  const roots = new Map(earlier.map((from) => [from, '']));
  for (const leaf of leaves) {
    edge.add(leafHash(leaf));
    if (random.chance(Math.min(0.01, WRITES / size))) await writeTiles(folder, edge.takeTiles());
    if (roots.has(edge.size)) roots.set(edge.size, base64(edge.root()));
  }
  await writeTiles(folder, edge.takeTiles());
  const signer = createSigner('web-1.example/shrike/0123abcd');
  const read = readTiles(folder);
  const tree = treeOf(size, read);
  const root = base64(tree.root());
  const inclusion = Array.from({ length: proofs }, (): GoProof => {
    const from = random.below(size);
    return { from, to: size, root, hash: base64(tree.leaf(from)), path: tree.inclusion(from).map(base64) };
  });
  const consistency = earlier.map((from): GoProof => {
    return { from, to: size, root, hash: roots.get(from) ?? '', path: tree.consistency(from).map(base64) };
  });
  return {
    key: signer.verifier.text,
    secret: signer.secret,
    checkpoint: signCheckpoint({ size, root: tree.root() }, signer),
    folder,
    leaves: leaves.map(base64),
    inclusion,
    consistency,
  };
};

describe.skipIf(skip)(`golang.org/x/mod/sumdb${skip ? ` (skipped: ${skip})` : ''}`, () => {
  let checker: GoChecker;
  const ask = (input: GoInput) => checker.ask(input);
  beforeAll(() => {
    checker = buildGoChecker();
  }, 300_000);
  afterAll(() => checker.remove());

  it.each(SIZES)(
    'accepts key, checkpoint, tiles, leaves and proofs of a log of %i entries',
    async (size) => {
      const log = await logOf(size);
      const answers = ask(log);
      expect(answers.filter(({ error }) => error !== undefined)).toEqual([]);
      const asked = (what: string) => answers.filter((answer) => answer.what === what).length;
      expect(['key', 'secret', 'note', 'checkpoint', 'tiles', 'leaves'].map(asked)).toEqual([1, 1, 1, 1, 1, 1]);
      expect([asked('inclusion'), asked('consistency')]).toEqual([log.inclusion.length, log.consistency.length]);
    },
    600_000,
  );

  it('accepts a log that was sealed while it was written, and a proof of an entry', async () => {
    const folder = temporaryFolder();
    await writeSealedLog(folder, 300, { segmentBytes: 10_000 });
    await writeSealedLog(folder, 77);
    const leaves: string[] = [];
    for await (const { bytes } of readAuditLog(folder)) leaves.push(base64(bytes));
    const key = readPublicKey(folder)!;
    const { text, checkpoint } = await proveEntry(folder, 123, key);
    const proof = parseProofFile(text);
    if (proof.kind !== 'inclusion') throw new Error('it is no proof of an entry');
    const root = base64(checkpoint.root);
    const hash = base64(leafHash(proof.extra!));
    const inclusion = [{ from: proof.index, to: 377, root, hash, path: proof.path.map(base64) }];
    const input = { key: key.text, checkpoint: proof.checkpoint, folder, leaves, inclusion, consistency: [] };
    const answers = ask(input);
    expect(answers.filter(({ error }) => error !== undefined)).toEqual([]);
    expect(answers.map(({ what }) => what).sort()).toEqual([
      'checkpoint',
      'inclusion',
      'key',
      'leaves',
      'note',
      'tiles',
    ]);
  });

  it('refuses what was changed', async () => {
    const log = await logOf(300);
    const wrong = (input: Partial<GoInput>) =>
      ask({ ...log, ...input }).flatMap(({ what, error }) => (error === undefined ? [] : [what]));
    expect(wrong({ checkpoint: log.checkpoint.replace('\n300\n', '\n301\n') })).toEqual(['note']);
    expect(wrong({ key: createSigner('web-1.example/shrike/0123abcd').verifier.text, secret: '' })).toEqual(['note']);
    expect(wrong({ leaves: [...log.leaves.slice(0, -1), base64(Buffer.from('another'))] })).toEqual(['leaves']);
    const [inclusion, consistency] = [log.inclusion[0]!, log.consistency.find(({ path }) => path.length > 0)!];
    expect(wrong({ inclusion: [{ ...inclusion, path: inclusion.path.slice(1) }] })).toEqual(['inclusion']);
    expect(wrong({ consistency: [{ ...consistency, path: consistency.path.slice(1) }] })).toEqual(['consistency']);
  });
});
