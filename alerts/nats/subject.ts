import type { Priority } from '../../rules/index.ts';
import type { Alert } from '../alert.ts';

/** A name as one token of a subject: lower case, every run of other characters than a-z and 0-9 one `_`. */
export const subjectToken = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]+/g, '_') || '_';

/** What a subject template may name, and the part of an alert that it stands for. */
const PLACEHOLDERS = {
  host: ({ host }) => host,
  priority: ({ priority }) => priority,
  rule: ({ rule }) => rule,
  policy: ({ policy }) => policy,
} as const satisfies Record<string, (alert: Alert) => string>;
type Placeholder = keyof typeof PLACEHOLDERS;
const NAMES = Object.keys(PLACEHOLDERS) as Placeholder[];

/** A template of subjects, read: literal tokens and the parts of an alert, one token each. */
export interface SubjectTemplate {
  /** As it was given: `shrike.alerts.<host>.<priority>.<rule>`. */
  readonly text: string;
  readonly has: (name: Placeholder) => boolean;
  /** The subject of an alert. */
  readonly of: (alert: Alert) => string;
  /** The subjects, with wildcards, of the alerts that filters let through as far as subjects can say it. */
  readonly matching: (filters: Partial<Readonly<Record<Placeholder, string>>>) => string;
  /** Its literal tokens. */
  readonly literals: readonly string[];
  /** The template with each placeholder as its place among wildcards: what a server publishes again. */
  readonly mappedFrom: (wildcards: readonly Placeholder[]) => string;
  /** Its placeholders in their order. */
  readonly placeholders: readonly Placeholder[];
}

const LITERAL = /^[A-Za-z0-9_-]+$/;
const PLACEHOLDER = /^<([a-z]*)>$/;
/** Subjects that belong to NATS itself. */
const RESERVED = /^_INBOX$|^_R_$|^_GR_$/;
const MOST_TOKENS = 16;

const problemOf = (text: string): string | undefined => {
  const tokens = text.split('.');
  if (text === '') return 'it is empty';
  if (tokens.length > MOST_TOKENS) return `it has ${tokens.length} parts; at most ${MOST_TOKENS} are taken`;
  for (const [index, token] of tokens.entries()) {
    const name = PLACEHOLDER.exec(token)?.[1];
    const place = `part ${index + 1}, "${token}",`;
    if (token === '') return `part ${index + 1} is empty; parts are separated by single dots`;
    if (name !== undefined && !NAMES.some((known) => known === name))
      return `${place} is none of ${NAMES.map((known) => `<${known}>`).join(', ')}`;
    if (name === undefined && !LITERAL.test(token))
      return `${place} is neither a placeholder nor made of letters, digits, "_" and "-" only`;
    if (index === 0 && name !== undefined)
      return 'it must begin with a literal part, or it would take subjects that are not its own';
    if (index === 0 && RESERVED.test(token)) return `subjects that begin with ${token} belong to NATS itself`;
    if (name !== undefined && tokens.indexOf(token) < index) return `${place} is there twice`;
  }
  return undefined;
};

/** Reads a template such as `security.<host>.<priority>.<rule>`; fails with a sentence on one that makes no subjects. */
export const parseSubjectTemplate = (text: string, tokenOf = subjectToken): SubjectTemplate => {
  const problem = problemOf(text);
  if (problem !== undefined)
    throw new Error(
      `the subject template "${text}" can't be used: ${problem}; an example: security.<host>.<priority>.<rule>`,
    );
  const tokens = text.split('.').map((token) => {
    const name = PLACEHOLDER.exec(token)?.[1] as Placeholder | undefined;
    return name === undefined ? token : { name };
  });
  const placeholders = tokens.flatMap((token) => (typeof token === 'string' ? [] : [token.name]));
  const filled = (fill: (name: Placeholder) => string): string =>
    tokens.map((token) => (typeof token === 'string' ? token : fill(token.name))).join('.');
  return {
    text,
    has: (name) => placeholders.includes(name),
    of: (alert) => filled((name) => tokenOf(PLACEHOLDERS[name](alert))),
    matching: (filters) =>
      filled((name) => {
        const value = filters[name];
        return value === undefined ? '*' : tokenOf(value);
      }),
    literals: tokens.filter((token) => typeof token === 'string'),
    mappedFrom: (wildcards) => filled((name) => `{{wildcard(${wildcards.indexOf(name) + 1})}}`),
    placeholders,
  };
};

const ROOT = 'shrike.alerts';

/** Where the native record is published unless another template is given. */
export const ALERT_SUBJECTS = parseSubjectTemplate(`${ROOT}.<host>.<priority>.<rule>`);

/** The subjects of all alerts. */
export const ALL_ALERTS = `${ROOT}.>`;

/** `shrike.alerts.<host>.<priority>.<rule>`. */
export const alertSubject = (host: string, priority: Priority, rule: string): string =>
  [ROOT, ...[host, priority, rule].map(subjectToken)].join('.');

/** The subjects of a host's alerts. */
export const hostSubject = (host: string): string => `${ROOT}.${subjectToken(host)}.>`;

const WITNESS_ROOT = 'shrike.witness';

/** Where a host's agent asks for cosignatures of its audit log. */
export const witnessSubject = (host: string): string => `${WITNESS_ROOT}.${subjectToken(host)}`;

/** The subjects of all hosts' requests for cosignatures. */
export const ALL_WITNESS_SUBJECTS = `${WITNESS_ROOT}.*`;

/** The host in the subject of a request for a cosignature, as one of its tokens. */
export const hostTokenOf = (subject: string): string => subject.slice(WITNESS_ROOT.length + 1);
