import type { Diagnostic, Limit, Scope } from '../../rules/index.ts';
import type { Path, SourceDocument } from '../document.ts';
import { formatPath } from '../document.ts';
import { diagnostic } from '../messages.ts';
import { type LimitsDocument, type PolicyDocument, RATE } from '../schema.ts';
import type { Draft } from '../schema-issues.ts';

type DraftScope = NonNullable<NonNullable<Draft<PolicyDocument>['spec']>['scope']>;
type Report = (...found: readonly Diagnostic[]) => void;

const listOf = <T>(value: T | readonly (T | undefined)[] | undefined): readonly T[] =>
  (Array.isArray(value) ? value : [value]).filter((each) => each !== undefined) as readonly T[];

const RANGE = /^(\d+)-(\d+)$/;
const MAX_UID = 2 ** 32 - 2;
const PATH: Path = ['spec', 'scope'];

/** User ids, ranges of them and names; what is no range that could hold an id is reported. */
const readUids = (written: readonly (string | number)[], document: SourceDocument, report: Report) => {
  const ranges: (readonly [number, number])[] = [];
  const names: string[] = [];
  for (const [index, value] of written.entries()) {
    const range = RANGE.exec(String(value));
    if (range !== null) {
      const [low, high] = [Number(range[1]), Number(range[2])];
      if (low <= high && high <= MAX_UID) ranges.push([low, high]);
      else {
        const path: Path = document.has([...PATH, 'uid', index]) ? [...PATH, 'uid', index] : [...PATH, 'uid'];
        const expected = `a range from a smaller user id to a larger one, at most ${MAX_UID}`;
        const detail = { where: formatPath(path), found: `"${value}"`, expected };
        report(diagnostic('wrong-value', document.valueAt(path), formatPath(path), detail));
      }
    } else if (/^\d+$/.test(String(value))) ranges.push([Number(value), Number(value)]);
    else names.push(String(value));
  }
  return { ranges, names };
};

/** The scope that a document's part says; a part of it that is wrong was reported and is left out. */
export const readScope = (draft: DraftScope | undefined, document: SourceDocument, report: Report): Scope => {
  if (draft === undefined) return {};
  const { cgroup, container, uid, executable } = draft;
  const uids = listOf<string | number>(uid);
  const executables = listOf<string>(executable);
  const scope: Scope = {
    ...(cgroup !== undefined && { cgroup }),
    ...(container !== undefined && {
      container: { name: listOf<string>(container.name), image: listOf<string>(container.image) },
    }),
    ...(uids.length > 0 && { uid: readUids(uids, document, report) }),
    ...(executables.length > 0 && { executable: executables }),
  };
  return Object.keys(scope).length === 0 ? {} : { ...scope, position: document.valueAt(PATH) };
};

const NANOSECONDS = { s: 1e9, min: 60e9, h: 3600e9, d: 86_400e9 } as const;
/** Alerts that may come at once where limits say nothing of it. */
const DEFAULT_BURST = 1;

/** The limit that `{rate: 10/min, burst: 5}` says; undefined where its rate was refused. */
export const readLimit = (limits: Draft<LimitsDocument> | undefined): Limit | undefined => {
  const [, count, unit] = RATE.exec(limits?.rate ?? '') ?? [];
  if (count === undefined || unit === undefined) return undefined;
  const interval = Math.max(1, Math.round(NANOSECONDS[unit as keyof typeof NANOSECONDS] / Number(count)));
  return { interval, burst: limits?.burst ?? DEFAULT_BURST };
};
