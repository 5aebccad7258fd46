import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where Debian puts the sources of golang-golang-x-mod-dev. */
const GOPATH = '/usr/share/gocode';
const SOURCE = fileURLToPath(new URL('./oracle/main.go', import.meta.url));

/** Why Go's own checker can't be built here; undefined where it can. */
export const goUnavailable = (): string | undefined => {
  if (spawnSync('go', ['version']).status !== 0) return 'Go is missing';
  return existsSync(join(GOPATH, 'src/golang.org/x/mod/sumdb/tlog')) ? undefined : 'golang.org/x/mod is missing';
};

/** A hash in base64, and sizes, as the checker wants them: of an inclusion proof `from` is the leaf's index, of a consistency proof the smaller size. */
export interface GoProof {
  readonly from: number;
  readonly to: number;
  readonly root: string;
  readonly hash: string;
  readonly path: readonly string[];
}

export interface GoInput {
  readonly key: string;
  readonly secret?: string;
  readonly checkpoint: string;
  readonly folder: string;
  /** Base64. */
  readonly leaves: readonly string[];
  readonly inclusion: readonly GoProof[];
  readonly consistency: readonly GoProof[];
}

export interface GoAnswer {
  readonly what: string;
  readonly error?: string;
}

export interface GoChecker {
  ask(input: GoInput): readonly GoAnswer[];
  remove(): void;
}

/** Builds the checker in a folder of its own. */
export const buildGoChecker = (): GoChecker => {
  const folder = mkdtempSync(join(tmpdir(), 'shrike-test-'));
  const cache = join(folder, 'cache');
  mkdirSync(cache);
  const checker = join(folder, 'checker');
  const env = { ...process.env, GO111MODULE: 'off', GOPATH, GOCACHE: cache, GOFLAGS: '', CGO_ENABLED: '0' };
  const built = spawnSync('go', ['build', '-o', checker, SOURCE], { env, encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`go build: ${built.stderr}`);
  return {
    ask: (input) => {
      const run = spawnSync(checker, { input: JSON.stringify(input), encoding: 'utf8', maxBuffer: 1 << 28 });
      if (run.status !== 0) throw new Error(`the checker ended with ${run.status}: ${run.stderr}`);
      return run.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as GoAnswer);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};
