import { type Difference, fieldsOf } from './compare.ts';
import { print } from './language/index.ts';

/** A difference in words, with what it depends on. */
export const describeDifference = ({ rule, kind, event, story }: Difference): string => {
  const fields = fieldsOf(rule.tree);
  const shown = [...event.facts]
    .filter(([field]) => fields.has(field))
    .map(([field, fact]) => `${field}: ${typeof fact === 'string' ? fact : `"${fact.is}"`}`);
  return `${kind}: ${print(rule.tree)}\n  on ${event.type} of ${event.pid}, after\n  ${story}\n  ${shown.join(', ')}`;
};
