import type { AuditLog } from '../alerts/index.ts';

/** An audit log that keeps nothing: for runs whose alerts nobody reviews, as of policies' tests. */
export const createMemoryLog = (host: string): AuditLog => {
  let last = 0;
  return {
    folder: '',
    host,
    openedAt: 0,
    get last() {
      return last;
    },
    get committed() {
      return last;
    },
    path: '',
    append: (_kind: unknown, body: unknown) => {
      last++;
      if (typeof body === 'function') body(last);
      return { seq: last };
    },
    onCommit: () => () => undefined,
    acknowledged: () => undefined,
    flush: async () => undefined,
    close: async () => undefined,
  };
};
