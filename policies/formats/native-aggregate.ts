import { type Aggregate, CRITICAL_PRIORITIES, type Diagnostic, type Rule } from '../../rules/index.ts';
import { formatPath, type Path, type SourceDocument } from '../document.ts';
import { diagnostic } from '../messages.ts';
import type { AggregateDocument } from '../schema.ts';
import type { Draft } from '../schema-issues.ts';
import { readKey, refuseTree, windowOf } from './native-correlation.ts';

type DraftAggregate = Draft<AggregateDocument> | undefined;
type Report = (...found: readonly Diagnostic[]) => void;
/** Which matches of a rule are told of together; undefined: none. */
type ForRule = (rule: Pick<Rule, 'action' | 'priority'>, draft: DraftAggregate, path: Path) => Aggregate | undefined;

const read = (draft: DraftAggregate, path: Path, document: SourceDocument, report: Report): Aggregate | undefined => {
  if (draft === undefined) return undefined;
  const place: Path = [...path, 'by'];
  refuseTree(draft.by, place, document, report);
  const by = draft.by && readKey(draft.by, place, document, report);
  const within = windowOf(draft.within);
  if (within === 0n) return undefined;
  return by === undefined ? { within } : { by, within };
};

/**
 * What a policy's `aggregate` is to its rules: those that say nothing of their own, only alert, and are below critical.
 * A rule's own that denies or kills is reported.
 */
export const readAggregates = (policy: DraftAggregate, document: SourceDocument, report: Report): ForRule => {
  const common = read(policy, ['spec', 'aggregate'], document, report);
  return ({ action, priority }, draft, path) => {
    if (action !== 'alert') {
      if (draft !== undefined) {
        const detail = {
          where: formatPath(path),
          found: 'a mapping',
          expected: 'none; each attempt to deny or kill is on record by itself',
        };
        report(diagnostic('wrong-value', document.valueAt(path), formatPath(path), detail));
      }
      return undefined;
    }
    if (draft !== undefined) return read(draft, path, document, report);
    return CRITICAL_PRIORITIES.has(priority) ? undefined : common;
  };
};
