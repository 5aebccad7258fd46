import { expect, it } from 'vitest';
import { appendAlert } from '../../agent/append-alert.ts';
import type { AuditLog, Unnumbered } from '../../alerts/index.ts';
import { anAlert } from '../support/alert.ts';
import { memoryLog } from '../support/audit.ts';

const unnumbered = (): Unnumbered => ({ ...anAlert(1), id: '', seq: 0 });

it('gives an alert the number of its entry', () => {
  const { log, entries } = memoryLog();
  const alert = unnumbered();
  expect(appendAlert(log, 'web-1', alert)).toBe(true);
  expect([alert.id, alert.seq, entries[0]?.body]).toEqual(['web-1-1', 1, alert]);
});

it('says that a log had no room for an alert, which gets no number, and tells the log what it is about', () => {
  const asked: unknown[] = [];
  const append = (kind: string, _body: unknown, about: unknown) => {
    asked.push([kind, about]);
    return { seq: undefined };
  };
  const alert = unnumbered();
  expect(appendAlert({ ...memoryLog().log, append } as AuditLog, 'web-1', alert)).toBe(false);
  expect([alert.id, alert.seq]).toEqual(['', 0]);
  expect(asked).toEqual([['alert', alert]]);
});
