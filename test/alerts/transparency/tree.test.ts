import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEdge } from '../../../alerts/transparency/edge.ts';
import { leafHash } from '../../../alerts/transparency/hash.ts';
import { isConsistent, rootOfInclusion } from '../../../alerts/transparency/proof.ts';
import { newTiles, TILE_WIDTH, type Tile, tilePath } from '../../../alerts/transparency/tile.ts';
import { type Tree, treeOf } from '../../../alerts/transparency/tree.ts';
import { count, seed } from '../../support/counts.ts';

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** MTH of RFC 6962, section 2.1, word for word. */
const rootOf = (leaves: readonly Uint8Array[]): Buffer => {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return sha256(Uint8Array.of(0), leaves[0]!);
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return sha256(Uint8Array.of(1), rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
};

/** A tree by tiles that are made from the leaves of each, as C2SP's tlog-tiles defines them. */
const tiledTree = (leaves: readonly Uint8Array[]): Tree => {
  const made = new Map<string, Buffer>();
  const make = ({ level, index, width }: Tile): Buffer => {
    const span = TILE_WIDTH ** level;
    const hashes = Array.from({ length: width }, (_, at) => {
      const from = (index * TILE_WIDTH + at) * span;
      expect(from + span).toBeLessThanOrEqual(leaves.length);
      return rootOf(leaves.slice(from, from + span));
    });
    return Buffer.concat(hashes);
  };
  return treeOf(leaves.length, (tile) => {
    const path = tilePath(tile);
    const hashes = made.get(path) ?? make(tile);
    made.set(path, hashes);
    return hashes;
  });
};

/** Nothing was written yet. */
const noTiles = (): never => {
  throw new Error('there are no tiles');
};

/** The leaves of Certificate Transparency's reference vectors (merkletree tests of certificate-transparency and of transparency-dev), and the roots of their first 1 to 8. */
const PUBLIC_LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
const PUBLIC_ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

const leavesOf = (size: number, from = 0): readonly Uint8Array[] =>
  Array.from({ length: size }, (_, index) => Buffer.from(`leaf ${from + index}`));

describe('trees', () => {
  it('have the roots of the public vectors', () => {
    const leaves = PUBLIC_LEAVES.map((hex) => Buffer.from(hex, 'hex'));
    const edge = createEdge(0, noTiles);
    expect(Buffer.from(edge.root()).toString('hex')).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
    for (const [index, leaf] of leaves.entries()) {
      edge.add(leafHash(leaf));
      const tree = tiledTree(leaves.slice(0, index + 1));
      expect([edge.root(), tree.root()].map((root) => Buffer.from(root).toString('hex'))).toEqual([
        PUBLIC_ROOTS[index],
        PUBLIC_ROOTS[index],
      ]);
    }
  });

  it('grow leaf by leaf to what the definition says, over the borders of tiles', () => {
    const leaves = leavesOf(TILE_WIDTH + 5);
    const edge = createEdge(0, noTiles);
    for (const [index, leaf] of leaves.entries()) {
      edge.add(leafHash(leaf));
      if (index % 37 === 0 || index > TILE_WIDTH - 3)
        expect(Buffer.from(edge.root())).toEqual(rootOf(leaves.slice(0, index + 1)));
    }
  });
});

/** Sizes at which something turns, and others. */
const sizes = fc.oneof(
  fc.integer({ min: 1, max: 70 }),
  fc.integer({ min: 250, max: 262 }),
  fc.constantFrom(511, 512, 513, 700),
);

describe('the edge of a tree', () => {
  it('gives the tiles that the specification wants, whenever it is asked and goes on from them', () => {
    fc.assert(
      fc.property(sizes, fc.array(fc.nat({ max: 150 }), { maxLength: 3 }), fc.boolean(), (start, steps, isReopened) => {
        const written = new Map<string, Buffer>();
        const read = (tile: Tile): Uint8Array => written.get(tilePath(tile)) ?? noTiles();
        let edge = createEdge(0, read);
        for (const step of [start, ...steps]) {
          const before = edge.size;
          for (const leaf of leavesOf(step, before)) edge.add(leafHash(leaf));
          const tiles = edge.takeTiles();
          expect(tiles.map(tilePath)).toEqual(newTiles(before, edge.size).map(tilePath));
          for (const tile of tiles) written.set(tilePath(tile), Buffer.from(tile.hashes));
          const leaves = leavesOf(edge.size);
          expect(Buffer.from(edge.root())).toEqual(rootOf(leaves));
          expect(Buffer.from(treeOf(edge.size, read).root())).toEqual(rootOf(leaves));
          if (isReopened) edge = createEdge(edge.size, read);
        }
      }),
      { numRuns: count(1_000), seed: seed('edges') },
    );
  });
});

describe('proofs', () => {
  it('show what is in a tree and what it began with, and nothing else', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), fc.nat(), (size, some, other, change) => {
        const leaves = leavesOf(size);
        const tree = tiledTree(leaves);
        const root = rootOf(leaves);
        const index = some % size;
        const leaf = sha256(Uint8Array.of(0), leaves[index]!);
        const path = tree.inclusion(index);
        expect(Buffer.from(tree.leaf(index))).toEqual(leaf);
        expect(Buffer.from(rootOfInclusion({ index, size, leaf, path })!)).toEqual(root);

        const smaller = 1 + (other % size);
        const fromRoot = rootOf(leaves.slice(0, smaller));
        const whole = { from: smaller, fromRoot, to: size, toRoot: root, path: tree.consistency(smaller) };
        expect(isConsistent(whole)).toBe(true);
        expect(isConsistent({ ...whole, fromRoot: sha256(fromRoot) })).toBe(false);
        expect(isConsistent({ ...whole, toRoot: sha256(root) })).toBe(false);
        for (const changed of [path, whole.path]) {
          if (changed.length === 0) continue;
          const at = change % changed.length;
          const broken = changed.map((hash, place) => (place === at ? sha256(hash) : hash));
          const short = changed.filter((_, place) => place !== at);
          const long = [...changed, sha256(root)];
          for (const wrong of [broken, short, long]) {
            if (changed === path) {
              const found = rootOfInclusion({ index, size, leaf, path: wrong });
              expect(found !== undefined && Buffer.compare(found, root) === 0).toBe(false);
            } else expect(isConsistent({ ...whole, path: wrong })).toBe(false);
          }
        }
      }),
      { numRuns: count(5_000), seed: seed('proofs') },
    );
  });

  it('of nothing are refused', () => {
    const tree = tiledTree(leavesOf(3));
    expect(() => tree.inclusion(3)).toThrow('leaf 3 is not in a tree of 3 leaves');
    expect(() => tree.leaf(-1)).toThrow('leaf -1 is not in a tree of 3 leaves');
    expect(() => tree.consistency(4)).toThrow('a tree of 4 leaves is not the beginning of one of 3');
    expect(tree.consistency(0)).toEqual([]);
    expect(rootOfInclusion({ index: 3, size: 3, leaf: sha256(), path: [] })).toBeUndefined();
  });
});

describe('tiles', () => {
  it.each([
    [{ level: 0, index: 0, width: 256 }, 'tile/0/000'],
    [{ level: 0, index: 1234067, width: 256 }, 'tile/0/x001/x234/067'],
    [{ level: 2, index: 1000, width: 17 }, 'tile/2/x001/000.p/17'],
  ])('%o lie at %s', (tile, path) => {
    expect(tilePath(tile)).toBe(path);
  });

  const described = (tiles: readonly Tile[]): readonly string[] => tiles.map(tilePath);

  it('of a tree of 70,000 leaves are those that the specification counts', () => {
    const tiles = newTiles(0, 70_000);
    const full = (level: number) => tiles.filter((tile) => tile.level === level && tile.width === 256).length;
    expect([full(0), full(1), full(2)]).toEqual([273, 1, 0]);
    expect(described(tiles.filter(({ width }) => width < 256))).toEqual([
      'tile/0/273.p/112',
      'tile/1/001.p/17',
      'tile/2/000.p/1',
    ]);
    expect(described(newTiles(0, 256))).toEqual(['tile/0/000', 'tile/1/000.p/1']);
  });

  it('are written where a tree grows, and nowhere else', () => {
    expect(described(newTiles(255, 257))).toEqual(['tile/0/000', 'tile/0/001.p/1', 'tile/1/000.p/1']);
    expect(described(newTiles(256, 258))).toEqual(['tile/0/001.p/2']);
    expect(described(newTiles(5, 5))).toEqual([]);
  });
});
