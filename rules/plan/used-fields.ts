import { type FieldName, fieldsOf } from '../language/index.ts';
import type { Rule } from '../rule.ts';
import { predicatesOf } from './formula.ts';
import type { TaskDetail } from './placed.ts';
import { otherFields } from './transformed.ts';

/** The fields that rules name, in their conditions and in what they print. */
export const usedFields = (rules: readonly Rule[]): ReadonlySet<string> => {
  const names = new Set<string>();
  for (const { condition, output, correlation, aggregate } of rules) {
    for (const predicate of predicatesOf(condition))
      for (const { name } of [predicate.field, ...otherFields(predicate)]) names.add(name);
    for (const part of output.parts)
      if (typeof part !== 'string')
        for (const { name } of part.expression === undefined ? [part] : fieldsOf(part.expression)) names.add(name);
    for (const { name } of [...(correlation?.by ?? []), ...(aggregate?.by ?? [])]) names.add(name);
  }
  return names;
};

/** What fields are made of that is read only where they are used. */
const DETAILS: Partial<Record<FieldName, readonly TaskDetail[]>> = {
  'thread.cap_effective': ['capabilities'],
  'thread.cap_permitted': ['capabilities'],
  'thread.cap_inheritable': ['capabilities'],
  'thread.vtid': ['vtid'],
  'proc.tty': ['tty'],
  'proc.vpid': ['vpid'],
  'proc.pvpid': ['pvpid'],
  'proc.sid': ['sid'],
  'proc.sname': ['sid'],
  'proc.sid.exe': ['sid'],
  'proc.sid.exepath': ['sid'],
  'proc.is_sid_leader': ['sid'],
  'proc.pgid': ['pgid'],
  'proc.pgid.name': ['pgid'],
  'proc.pgid.exe': ['pgid'],
  'proc.pgid.exepath': ['pgid'],
  'proc.is_pgid_leader': ['pgid'],
  'proc.vpgid': ['vpgid'],
  'proc.vpgid.name': ['pgid'],
  'proc.vpgid.exe': ['pgid'],
  'proc.vpgid.exepath': ['pgid'],
  'proc.is_vpgid_leader': ['vpgid', 'vpid'],
  'proc.nthreads': ['threads'],
  'proc.nchilds': ['threads'],
};

/** What the kernel has to read of a task for the fields that rules name. */
export const taskDetailsOf = (used: ReadonlySet<string>): ReadonlySet<TaskDetail> =>
  new Set([...used].flatMap((name) => (DETAILS as Readonly<Record<string, readonly TaskDetail[]>>)[name] ?? []));
