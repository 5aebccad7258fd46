import {
  type Correlation,
  type Diagnostic,
  type FieldRef,
  parseTemplate,
  type SequenceStep,
  TREE_KEY,
} from '../../rules/index.ts';
import { formatPath, type Path, type SourceDocument } from '../document.ts';
import { durationOf } from '../duration.ts';
import { diagnostic, fromProblem } from '../messages.ts';
import type { PolicyDocument } from '../schema.ts';
import type { Draft } from '../schema-issues.ts';

type DraftRule = NonNullable<NonNullable<NonNullable<Draft<PolicyDocument>['spec']>['rules']>[number]>;
type Report = (...found: readonly Diagnostic[]) => void;

/** The fields of a key; what is none is reported. */
export const readKey = (
  keys: readonly (string | undefined)[] | undefined,
  path: Path,
  document: SourceDocument,
  report: Report,
): readonly FieldRef[] =>
  (keys ?? []).flatMap((key, index) => {
    const place: Path = [...path, index];
    const text = document.textAt(place);
    if (key === undefined || text === undefined || key === TREE_KEY) return [];
    const { template, problems } = parseTemplate(`%${text.value}`);
    const [field, more] = template.parts;
    if (problems.length > 0) {
      for (const problem of problems)
        report(fromProblem({ ...problem, severity: 'error' }, text.at(problem.span.start - 1), formatPath(place)));
      return [];
    }
    if (field === undefined || typeof field === 'string' || more !== undefined || field.transformers.length > 0) {
      const detail = { where: formatPath(place), found: `"${text.value}"`, expected: 'a field such as proc.pid' };
      report(diagnostic('wrong-value', document.valueAt(place), formatPath(place), detail));
      return [];
    }
    const { name, argument } = field;
    const span = { start: 0, end: 0 };
    return [argument === undefined ? { name, span } : { name, argument, span }];
  });

/** Nanoseconds of a window that the schema let through; 0 where it did not. */
export const windowOf = (text: string | undefined): bigint => BigInt(durationOf(text ?? '') ?? 0);

/** Tells of a tree of processes in a key that can't go by one. */
export const refuseTree = (
  keys: readonly (string | undefined)[] | undefined,
  path: Path,
  document: SourceDocument,
  report: Report,
): void => {
  const tree = keys?.indexOf(TREE_KEY) ?? -1;
  if (tree < 0) return;
  const at: Path = [...path, tree];
  const expected = 'a field; only sequences go by trees of processes';
  report(
    diagnostic('wrong-value', document.valueAt(at), formatPath(at), {
      where: formatPath(at),
      found: `"${TREE_KEY}"`,
      expected,
    }),
  );
};

/** A rule's threshold, as its document says it; what is wrong with its key is reported. */
export const readThreshold = (
  draft: DraftRule,
  path: Path,
  document: SourceDocument,
  report: Report,
): Extract<Correlation, { kind: 'threshold' }> | undefined => {
  const { threshold } = draft;
  if (threshold === undefined) return undefined;
  const place: Path = [...path, 'threshold'];
  refuseTree(threshold.by, [...place, 'by'], document, report);
  return {
    kind: 'threshold',
    moreThan: threshold.more_than ?? 1,
    within: windowOf(threshold.within),
    by: readKey(threshold.by, [...place, 'by'], document, report),
    position: document.valueAt(place),
  };
};

/** What the steps of a rule's sequence have in common. */
export const readSequence = (
  draft: DraftRule,
  path: Path,
  document: SourceDocument,
  report: Report,
): Omit<SequenceStep, 'step'> | undefined => {
  const { sequence } = draft;
  if (sequence === undefined) return undefined;
  const place: Path = [...path, 'sequence'];
  return {
    kind: 'sequence',
    steps: sequence.steps?.length ?? 0,
    within: windowOf(sequence.within),
    by: readKey(sequence.by, [...place, 'by'], document, report),
    tree: sequence.by?.includes(TREE_KEY) ?? false,
    position: document.valueAt(place),
  };
};

/** Tells of keys of a rule that don't go together. */
export const checkTogether = (draft: DraftRule, path: Path, document: SourceDocument, report: Report): void => {
  if (draft.sequence === undefined) return;
  const rule = draft.rule ?? '';
  const refuse = (key: string, reason: string): void => {
    const place: Path = [...path, key];
    report(diagnostic('beside-sequence', document.keyAt(place), formatPath(place), { rule, key, reason }));
  };
  if (draft.condition !== undefined) refuse('condition', 'each of its steps has its own');
  if (draft.on !== undefined) refuse('on', 'each of its steps has its own');
  if (draft.threshold !== undefined) refuse('threshold', 'make two rules of it');
};
