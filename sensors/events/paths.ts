import { beforeEffect, type EventRecord, type FieldValue, type RecordString, type Trust } from '../../rules/index.ts';

/** A path without `.`, `..` and doubled slashes, by its text alone. */
export const normalPath = (path: string): string => {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
};

const UNKNOWN: FieldValue = { state: 'unknown' };

/** A path of a record as a field's value: a relative one starts from its folder, one as passed is put into its normal form. */
export const pathValue = (
  record: EventRecord,
  name: 'file' | 'path' | 'path2',
  resolvedTrust: Trust,
): FieldValue & { readonly state: FieldValue['state'] } => {
  const text = record.string(name);
  if (text === undefined || text.state === 'unknown') return UNKNOWN;
  if (text.state === 'absent') return { state: 'absent' };
  if (text.state === 'present')
    return {
      state: 'present',
      value: text.asPassed ? normalPath(text.text) : text.text,
      trust: text.asPassed ? 'as passed' : resolvedTrust,
    };
  const base = record.string(baseOf(name));
  if (base?.state !== 'present') return UNKNOWN;
  return { state: 'present', value: normalPath(`${base.text}/${text.text}`), trust: 'as passed' };
};

const baseOf = (name: 'file' | 'path' | 'path2'): RecordString => (name === 'path2' ? 'base2' : 'base');

/** A path of a record as it was written. */
export const rawPathValue = (record: EventRecord, name: 'path' | 'path2'): FieldValue => {
  const text = record.string(name);
  if (text === undefined || text.state === 'unknown' || beforeEffect(record.hook)) return UNKNOWN;
  return text.state === 'absent' ? { state: 'absent' } : { state: 'present', value: text.text, trust: 'as passed' };
};

/** The text that an argument of the call points to. */
export const textValue = (record: EventRecord): FieldValue => {
  const text = record.string('text');
  return text?.state === 'present' || text?.state === 'relative'
    ? { state: 'present', value: text.text, trust: 'as passed' }
    : UNKNOWN;
};

/** The folder and the last component of a path. */
export const directoryOf = (path: string): string => path.slice(0, Math.max(1, path.lastIndexOf('/')));
export const filenameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
