import type { Alert, AuditLog, Unnumbered } from '../alerts/index.ts';

/** Appends an alert to a log, which gives it its number. @throws Error where the log refuses it */
export const appendAlert = (log: AuditLog, host: string, alert: Unnumbered): void => {
  log.append('alert', (seq: number): Alert => {
    alert.id = `${host}-${seq}`;
    alert.seq = seq;
    return alert;
  });
};
