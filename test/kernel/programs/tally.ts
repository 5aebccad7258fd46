import type { Verdict } from './examine.ts';
import type { Feature } from './writer.ts';

/** What makes a program one of those that the suite is for. */
const TELLING: readonly Feature[] = ['variable offset', 'map', 'spill', 'loop', 'call'];

/** Counts over all programs of a run. */
export interface Tally {
  add(verdict: Verdict): void;
  readonly programs: number;
  readonly bothAccept: number;
  readonly kernelAccepts: number;
  readonly kernelRefuses: number;
  /** Programs that both accept and that use what is in TELLING. */
  readonly telling: number;
  readonly placed: number;
  /** Programs whose results differ by an error of Linux's. */
  readonly lost: number;
  readonly failures: readonly string[];
  /** Programs that only ours accepts, of a class of refusals. */
  of(refusalClass: string): number;
  /** The table that is printed. */
  table(): string;
}

export function createTally(): Tally {
  const kinds = new Map<string, number>();
  const byType = new Map<string, Map<string, number>>();
  const groups = new Map<string, number>();
  const features = new Map<string, number>();
  const failures: string[] = [];
  let [programs, telling, placed, lost, executed] = [0, 0, 0, 0, 0];
  const count = (map: Map<string, number>, key: string): void => void map.set(key, (map.get(key) ?? 0) + 1);
  const total = (...keys: string[]): number => keys.reduce((sum, key) => sum + (kinds.get(key) ?? 0), 0);
  const [BOTH, NEITHER, OURS, THEIRS] = ['both accept', 'both refuse', 'only ours accepts', 'only the kernel accepts'];
  const kindOf = ({ ours, kernel }: Verdict): string =>
    ours === kernel ? (ours === 'accepts' ? BOTH : NEITHER) : ours === 'accepts' ? OURS : THEIRS;

  return {
    add(verdict) {
      programs++;
      const kind = kindOf(verdict);
      count(kinds, kind);
      if (!byType.has(verdict.type)) byType.set(verdict.type, new Map());
      count(byType.get(verdict.type)!, kind);
      if (verdict.group !== undefined) count(groups, `${kind}: ${verdict.group}`);
      if (verdict.failure !== undefined) failures.push(verdict.failure);
      if (verdict.placed) placed++;
      if (verdict.lost) lost++;
      executed += verdict.executed ?? 0;
      if (kind !== BOTH) return;
      for (const feature of verdict.features) count(features, feature);
      if (TELLING.some((feature) => verdict.features.has(feature))) telling++;
    },
    get programs() {
      return programs;
    },
    get bothAccept() {
      return total(BOTH);
    },
    get kernelAccepts() {
      return total(BOTH, THEIRS);
    },
    get kernelRefuses() {
      return total(NEITHER, OURS);
    },
    get telling() {
      return telling;
    },
    get placed() {
      return placed;
    },
    get lost() {
      return lost;
    },
    failures,
    of: (refusalClass) => groups.get(`${OURS}: ${refusalClass}`) ?? 0,
    table() {
      const rows = (map: ReadonlyMap<string, number>): string[] =>
        [...map].sort(([, a], [, b]) => b - a).map(([what, n]) => `${String(n).padStart(7)}  ${what}`);
      const share = ((100 * total(BOTH)) / Math.max(1, total(BOTH, THEIRS))).toFixed(2);
      return [
        `${programs} programs: the kernel accepts ${total(BOTH, THEIRS)}, ours accepts ${share} % of these; the kernel refuses ${total(NEITHER, OURS)}`,
        ...rows(kinds),
        ...[...byType].map(([type, map]) => `${type}: ${[...map].map(([kind, n]) => `${kind} ${n}`).join(', ')}`),
        `both accept, ${Math.round(executed / Math.max(1, total(BOTH)))} instructions executed each; ${telling} use ${TELLING.join(', ')}:`,
        ...rows(features),
        `differences, by class or by our reason; ${placed} programs make something of an address, or run too long, and are not compared; in ${lost} Linux has a known flaw:`,
        ...rows(groups),
      ].join('\n');
    },
  };
}
