import { createHash } from 'node:crypto';
import { encode } from '../../../engine/isa/index.ts';
import type { ProgramSpec } from '../../../engine/object/index.ts';
import type { Case } from './case.ts';
import type { Host, Need } from './host.ts';

/** How a case ended. */
export interface Outcome {
  readonly name: string;
  readonly result: 'passed' | 'failed' | 'skipped';
  /** Of a skip, or of a failure. */
  readonly reason?: string;
  /** Of all programs the case loaded, before relocation; left out where it loaded none. */
  readonly digest?: string;
  readonly milliseconds: number;
}

/** What cases run on, one host after the other. */
export interface Place {
  readonly name: string;
  /** Why a case can't run here; undefined where it can. */
  lacks(need: Need): string | undefined;
  /** @param onProgram gets each program that the host loads. */
  open(onProgram: (spec: ProgramSpec<string>) => void): Promise<Host & { close(): Promise<void> }>;
}

/** Longest that a case may take before it counts as failed, in milliseconds. */
const LIMIT_MS = 180_000;

const relocationText = (key: string, value: unknown): unknown => (key === 'at' && value === undefined ? null : value);

/** What identical programs have in common: hook, instructions, relocations. */
const programDigest = (spec: ProgramSpec<string>): string =>
  createHash('sha256')
    .update(`${spec.name} ${spec.hook}\0${JSON.stringify(spec.relocations, relocationText)}\0`)
    .update(encode(spec.instructions))
    .digest('hex');

const withLimit = async (work: Promise<void>, limit: number): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took longer than ${limit / 1000} seconds`)), limit);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};

const textOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));

/** Runs one case on a host of its own. */
export const runCase = async (place: Place, one: Case): Promise<Outcome> => {
  const started = performance.now();
  const after = (): number => Math.round(performance.now() - started);
  for (const need of one.needs) {
    const reason = place.lacks(need);
    if (reason !== undefined) return { name: one.name, result: 'skipped', reason, milliseconds: after() };
  }
  const digests: string[] = [];
  const digest = (): { readonly digest?: string } =>
    digests.length === 0 ? {} : { digest: createHash('sha256').update(digests.join()).digest('hex').slice(0, 16) };
  try {
    const host = await place.open((spec) => digests.push(programDigest(spec)));
    try {
      await withLimit(one.run(host), LIMIT_MS);
    } finally {
      await host.close();
    }
    return { name: one.name, result: 'passed', ...digest(), milliseconds: after() };
  } catch (error) {
    return { name: one.name, result: 'failed', reason: textOf(error), ...digest(), milliseconds: after() };
  }
};

/** Runs cases one after the other. */
export const runSuite = async (
  place: Place,
  cases: readonly Case[],
  onOutcome: (outcome: Outcome) => void = () => undefined,
): Promise<readonly Outcome[]> => {
  const outcomes: Outcome[] = [];
  for (const one of cases) {
    const outcome = await runCase(place, one);
    outcomes.push(outcome);
    onOutcome(outcome);
  }
  return outcomes;
};
