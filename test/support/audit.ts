import type { AuditLog } from '../../alerts/index.ts';
import { schemaProblems } from './alert-schema.ts';

/** An entry of a log in memory. */
export interface Entry {
  readonly kind: Parameters<AuditLog['append']>[0];
  readonly body: unknown;
}

/** Every alert that a test raises is one by the published schema. */
const checkAlert = (alert: unknown): void => {
  const problems = schemaProblems(alert);
  if (problems.length > 0) throw new Error(`an alert that the JSON Schema doesn't describe: ${problems.join('; ')}`);
};

/** An audit log in memory, and what was appended to it. */
export const memoryLog = (): { readonly log: AuditLog; readonly entries: readonly Entry[] } => {
  const entries: Entry[] = [];
  return {
    entries,
    log: {
      folder: '',
      host: 'sim',
      openedAt: 0,
      get last() {
        return entries.length;
      },
      get committed() {
        return entries.length;
      },
      path: '',
      append: (kind: Entry['kind'], body: unknown) => {
        const seq = entries.length + 1;
        const made: unknown = typeof body === 'function' ? body(seq) : body;
        if (kind === 'alert') checkAlert(made);
        entries.push({ kind, body: made });
        return { seq };
      },
      onCommit: () => () => {},
      acknowledged: () => {},
      flush: async () => {},
      close: async () => {},
    },
  };
};
