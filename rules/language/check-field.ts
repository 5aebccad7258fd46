import { nearest } from '../../engine/text/index.ts';
import type { FieldRef } from './ast.ts';
import { EVENT_TYPES } from './events.ts';
import { becauseOf, FALCO_FIELDS } from './falco-fields.ts';
import { FIELDS, type Field, fieldOf } from './fields.ts';
import { type Problem, problem } from './problems.ts';

const FIELD_NAMES: readonly string[] = FIELDS.map((field) => field.name);

/** Names that arguments of system calls have, for `evt.arg`. */
const ARGUMENT_NAMES: ReadonlySet<string> = new Set(
  [...EVENT_TYPES.values()].flatMap((event) => event.arguments.map((argument) => argument.name)),
);

/** What stands in the brackets of fields that take any text. */
const KEYS: Readonly<Record<string, string>> = {
  'container.label': "a label's key",
  'k8s.pod.label': "a label's key",
  ...Object.fromEntries(
    FIELD_NAMES.filter((name) => name.startsWith('container.mount')).map((name) => [name, "a mount's number or path"]),
  ),
};

const INDEX = /^\d{1,3}$/;

/** The catalogue's entry for a field of a condition, and what is wrong with its name or argument; no entry where anything is. */
export const checkField = (
  ref: FieldRef,
): { readonly field: Field | undefined; readonly problems: readonly Problem[] } => {
  const field = fieldOf(ref.name);
  if (field === undefined) return { field, problems: [unknownField(ref)] };
  const found = checkArgument(field, ref);
  return found === undefined ? { field, problems: [] } : { field: undefined, problems: [found] };
};

const unknownField = ({ name, span }: FieldRef): Problem => {
  if (FALCO_FIELDS.has(name)) return problem('unsupported-field', span, { field: name, ...becauseOf(name) });
  const near = nearest(name, FIELD_NAMES);
  return problem('unknown-field', span, { field: name, ...(near === undefined ? {} : { nearest: near }) });
};

const checkArgument = (field: Field, { argument, span }: FieldRef): Problem | undefined => {
  const { name } = field;
  const bad = (expected: string): Problem =>
    argument === undefined || argument === ''
      ? problem('missing-argument', span, { field: name, expected })
      : problem('bad-argument', span, { field: name, argument, expected });
  switch (field.argument) {
    case 'none':
      return argument === undefined ? undefined : problem('unexpected-argument', span, { field: name });
    case 'optional-index':
      return argument === undefined || INDEX.test(argument) ? undefined : bad('a number');
    case 'index':
      return argument !== undefined && INDEX.test(argument) ? undefined : bad('a number');
    case 'key':
      return argument === undefined || argument === '' ? bad(KEYS[name] ?? 'a key') : undefined;
    case 'name': {
      if (argument === undefined || !/^[A-Za-z_]\w*$/.test(argument)) return bad("an argument's name");
      if (ARGUMENT_NAMES.has(argument)) return undefined;
      const near = nearest(argument, ARGUMENT_NAMES);
      return problem('unknown-argument', span, {
        field: name,
        argument,
        ...(near === undefined ? {} : { nearest: near }),
      });
    }
  }
};
