import { basename } from 'node:path';
import { PRIORITIES } from '../../rules/index.ts';
import type { Alert, FieldJson } from '../alert.ts';
import type { AuditEntry, AuditKind } from '../audit/line.ts';
import type { Attempt } from '../enforcement.ts';
import { subjectToken } from '../nats/subject.ts';
import { type AlertFilters, comparisonFilter } from '../subscriber/filters.ts';
import { nanosecondsOf } from '../time.ts';
import { FILE_FIELDS } from './file-fields.ts';

/** Which entries of a log somebody wants; what is left out is not looked at. An entry that can't have what is asked for is not wanted. */
export interface EntryFilters extends Omit<AlertFilters, 'host'> {
  readonly kinds?: readonly AuditKind[];
  /** Nanoseconds since 1970 between which it happened: the time of the event where there was one. */
  readonly since?: bigint;
  readonly until?: bigint;
  readonly pid?: number;
  /** A path, or the name at its end. */
  readonly exe?: string;
  /** What the command line contains. */
  readonly command?: string;
  /** Effective user id. */
  readonly user?: number;
  /** A file by its path, or all below a folder, which ends in a slash. */
  readonly file?: string;
  /** What became of an attempt to deny or kill, or the beginning of it. */
  readonly outcome?: string;
}

/** What entries of all kinds are asked for, as far as they have it. */
interface Subject {
  readonly rule?: string;
  readonly policy?: string;
  readonly pid?: number;
  readonly exe?: string | null;
  readonly cmdline?: string | null;
  readonly uid?: FieldJson | undefined;
  readonly files: readonly unknown[];
}

const isAlert = (entry: AuditEntry): entry is AuditEntry & { readonly body: Alert } => entry.kind === 'alert';

const filesIn = (fields: Alert['fields'] = {}): readonly unknown[] => FILE_FIELDS.map((name) => fields[name]);

const subjectOf = (entry: AuditEntry): Subject => {
  if (isAlert(entry)) {
    const { rule, policy, process, fields } = entry.body;
    const { pid, exe, cmdline, uid } = process;
    return { rule, policy, pid, exe, cmdline, uid, files: filesIn(fields) };
  }
  if (entry.kind === 'enforcement') {
    const { rule, policy, pid, exe, fields, arguments: asked } = entry.body as Partial<Attempt>;
    const cmdline = fields?.['proc.cmdline'] ?? asked?.argv?.join(' ');
    return {
      ...(rule !== undefined && { rule }),
      ...(policy !== undefined && { policy }),
      ...(pid !== undefined && { pid }),
      ...(exe !== undefined && { exe }),
      ...(typeof cmdline === 'string' && { cmdline }),
      uid: fields?.['user.uid'],
      files: [...filesIn(fields), asked?.file, asked?.path, asked?.path2],
    };
  }
  const { rule, policy, name } = entry.body as { rule?: string; policy?: string; name?: string };
  const whose = entry.kind === 'policy' ? name : policy;
  return { ...(rule !== undefined && { rule }), ...(whose !== undefined && { policy: whose }), files: [] };
};

/** When an entry's event happened, or where it is about none, when it was appended: ISO 8601. */
export const happenedAt = (entry: AuditEntry): string => {
  if (entry.kind !== 'alert' && entry.kind !== 'enforcement') return entry.time;
  const { time } = entry.body as { time?: unknown };
  return typeof time === 'string' ? time : entry.time;
};

const sameName = (one: string | undefined, other: string): boolean =>
  one !== undefined && subjectToken(one) === subjectToken(other);

const isExe = (exe: string | null | undefined, wanted: string): boolean =>
  typeof exe === 'string' && (exe === wanted || (!wanted.includes('/') && basename(exe) === wanted));

const isFile = (path: unknown, wanted: string): boolean =>
  typeof path === 'string' && (path === wanted || (wanted.endsWith('/') && path.startsWith(wanted)));

/** What only alerts have. */
const isAlertWanted = (entry: AuditEntry, filters: EntryFilters): boolean => {
  const { priority, minPriority, tags = [], container } = filters;
  if (priority === undefined && minPriority === undefined && tags.length === 0 && container === undefined) return true;
  if (!isAlert(entry)) return false;
  const { body } = entry;
  return (
    (priority === undefined || body.priority === priority) &&
    (minPriority === undefined || PRIORITIES.indexOf(body.priority) <= PRIORITIES.indexOf(minPriority)) &&
    tags.every((tag) => body.tags.includes(tag)) &&
    (container === undefined ||
      body.container?.name === container ||
      (container !== '' && body.container?.id.startsWith(container) === true))
  );
};

/** Whether an entry is wanted. @throws Error a sentence, on a comparison that is none */
export const entryFilter = (filters: EntryFilters): ((entry: AuditEntry) => boolean) => {
  const { kinds, since, until, rule, policy, pid, exe, command, user, file, outcome, where = [] } = filters;
  const compares = comparisonFilter(where);
  return (entry) => {
    if (kinds !== undefined && !kinds.includes(entry.kind)) return false;
    if (since !== undefined && nanosecondsOf(happenedAt(entry)) < since) return false;
    if (until !== undefined && nanosecondsOf(happenedAt(entry)) > until) return false;
    if (!isAlertWanted(entry, filters)) return false;
    const subject = subjectOf(entry);
    return (
      (rule === undefined || sameName(subject.rule, rule)) &&
      (policy === undefined || sameName(subject.policy, policy)) &&
      (pid === undefined || subject.pid === pid) &&
      (exe === undefined || isExe(subject.exe, exe)) &&
      (command === undefined || subject.cmdline?.includes(command) === true) &&
      (user === undefined || subject.uid === user) &&
      (file === undefined || subject.files.some((path) => isFile(path, file))) &&
      (outcome === undefined || String((entry.body as Partial<Attempt>).outcome ?? '').startsWith(outcome)) &&
      (where.length === 0 || compares(entry.body as object))
    );
  };
};
