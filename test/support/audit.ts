import type { AuditLog } from '../../alerts/index.ts';

/** An entry of a log in memory. */
export interface Entry {
  readonly kind: Parameters<AuditLog['append']>[0];
  readonly body: unknown;
}

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
        entries.push({ kind, body: typeof body === 'function' ? body(seq) : body });
        return { seq };
      },
      onCommit: () => () => {},
      acknowledged: () => {},
      flush: async () => {},
      close: async () => {},
    },
  };
};
