import type { Alert, AuditLog, Unnumbered } from '../alerts/index.ts';

/** Appends an alert to a log, which gives it its number; false where the log had no room for it, which it counts and records. */
export const appendAlert = (log: AuditLog, host: string, alert: Unnumbered): boolean => {
  const numbered = (seq: number): Alert => {
    alert.id = `${host}-${seq}`;
    alert.seq = seq;
    return alert;
  };
  return log.append('alert', numbered, alert).seq !== undefined;
};
