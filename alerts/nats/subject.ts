import type { Priority } from '../../rules/index.ts';

const ROOT = 'shrike.alerts';

/** The subjects of all alerts. */
export const ALL_ALERTS = `${ROOT}.>`;

/** A name as one token of a subject: lower case, every run of other characters than a-z and 0-9 one `_`. */
export const subjectToken = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]+/g, '_') || '_';

/** `shrike.alerts.<host>.<priority>.<rule>`. */
export const alertSubject = (host: string, priority: Priority, rule: string): string =>
  [ROOT, ...[host, priority, rule].map(subjectToken)].join('.');

/** The subjects of a host's alerts. */
export const hostSubject = (host: string): string => `${ROOT}.${subjectToken(host)}.>`;

/** Which alerts a subscriber wants; what is left out is not looked at. */
export interface AlertFilters {
  readonly host?: string;
  readonly priority?: Priority;
  readonly rule?: string;
}

/** The subject, with wildcards, of the alerts that the filters let through. */
export const filterSubject = ({ host, priority, rule }: AlertFilters): string =>
  [ROOT, ...[host, priority, rule].map((name) => (name === undefined ? '*' : subjectToken(name)))].join('.');
