import type { Alert } from '../alert.ts';
import {
  ALERT_SUBJECTS,
  ALL_ALERTS,
  parseSubjectTemplate,
  type SubjectTemplate,
  subjectToken,
} from '../nats/subject.ts';
import { ecsRecord } from './ecs.ts';
import { falcoJson, falcoToken } from './falco.ts';

export const OUTPUT_FORMATS = ['native', 'falco', 'ecs'] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

/** A stream as it is made where there is none. */
export interface OutputStream {
  readonly name: string;
  /** Its subjects, with wildcards. */
  readonly subjects: string;
  /** What it publishes again under other subjects once it has it: NATS's `republish`. */
  readonly republish?: { readonly src: string; readonly dest: string };
}

/** A format that alerts are published in, and where. All its streams have the host in their subjects, so that a host's place in them can be found. */
export interface Output {
  readonly format: OutputFormat;
  /** The stream that takes the alerts of a host. */
  readonly stream: (host: string) => OutputStream;
  /** Where an alert is published. */
  readonly subjectOf: (alert: Alert) => string;
  /** The same where there is no stream that would publish it again. */
  readonly plainSubjectOf: (alert: Alert) => string;
  /** The subjects of a host's alerts, with wildcards. */
  readonly hostSubject: (host: string) => string;
  /** An alert in the format; `json` is the alert's record as it stands in the audit log. */
  readonly payloadOf: (alert: Alert, json: string) => string;
}

const FORMATS: Readonly<
  Record<OutputFormat, Pick<Output, 'payloadOf'> & { readonly token?: (name: string) => string }>
> = {
  native: { payloadOf: (_alert, json) => json },
  falco: { payloadOf: falcoJson, token: falcoToken },
  ecs: { payloadOf: (alert) => JSON.stringify(ecsRecord(alert)) },
};

/** falcosidekick's (outputs/nats.go). */
const FALCO_SUBJECT = 'falco.<priority>.<rule>';

const nameOf = ({ literals }: SubjectTemplate): string =>
  ['shrike', ...literals.filter((token, index) => index > 0 || token.toLowerCase() !== 'shrike')]
    .join('_')
    .toUpperCase();

/** One stream for all hosts: `shrike.falco.<host>.<priority>.<rule>` is SHRIKE_FALCO, `security.<host>.<rule>` SHRIKE_SECURITY. */
const sharedStream = (template: SubjectTemplate): Output['stream'] => {
  const subjects = template === ALERT_SUBJECTS ? ALL_ALERTS : template.matching({});
  const stream = { name: nameOf(template), subjects };
  return () => stream;
};

/**
 * A stream for each host, SHRIKE_FALCO_WEB_1: nats-server 2.9 publishes again only under subjects that have every wildcard of the stream's own, and
 * the host is not to be one of them.
 */
const streamByHost =
  (stored: SubjectTemplate, shown: SubjectTemplate): Output['stream'] =>
  (host) => {
    const subjects = stored.matching({ host });
    const dest = shown.mappedFrom(stored.placeholders.filter((name) => name !== 'host'));
    return {
      name: `${nameOf(stored)}_${subjectToken(host).toUpperCase()}`,
      subjects,
      republish: { src: subjects, dest },
    };
  };

const build = (format: OutputFormat, stored: SubjectTemplate, shown: SubjectTemplate): Output => ({
  format,
  stream: shown === stored ? sharedStream(stored) : streamByHost(stored, shown),
  subjectOf: stored.of,
  plainSubjectOf: shown.of,
  hostSubject: (host) => stored.matching({ host }),
  payloadOf: FORMATS[format].payloadOf,
});

/** The native record, where it goes unless told otherwise. */
export const NATIVE_OUTPUT: Output = build('native', ALERT_SUBJECTS, ALERT_SUBJECTS);

/**
 * Reads `native`, `falco`, `ecs`, each also with a subject template: `falco=falco.<priority>.<rule>`. A template without `<host>` names what is seen:
 * a stream keeps the host's alerts and the server publishes each again under that subject. Fails with a sentence.
 */
export const parseOutput = (text: string): Output => {
  const equals = text.indexOf('=');
  const name = equals < 0 ? text : text.slice(0, equals);
  const format = OUTPUT_FORMATS.find((known) => known === name);
  if (format === undefined) throw new Error(`"${name}" is no format of alerts; there are ${OUTPUT_FORMATS.join(', ')}`);
  const { token } = FORMATS[format];
  const read = (template: string): SubjectTemplate => parseSubjectTemplate(template, token);
  const given = equals < 0 ? undefined : read(text.slice(equals + 1));
  if (format === 'native') {
    if (given === undefined || given.text === ALERT_SUBJECTS.text) return NATIVE_OUTPUT;
    if (!given.has('host'))
      throw new Error(
        `the subject template "${given.text}" can't be used: the native record's must name <host>, by which subscribers find what did not arrive`,
      );
    return build('native', given, given);
  }
  const shown = given ?? read(format === 'falco' ? FALCO_SUBJECT : `shrike.${format}.<host>.<priority>.<rule>`);
  if (shown.has('host')) return build(format, shown, shown);
  if (shown.placeholders.length === 0)
    throw new Error(`the subject template "${shown.text}" can't be used: it names no part of an alert`);
  const parts = shown.placeholders.map((name) => `<${name}>`);
  return build(format, read(`shrike.${format}.<host>.${parts.join('.')}`), shown);
};

/** Several outputs; fails with a sentence where two would share a stream. */
export const parseOutputs = (texts: readonly string[]): readonly Output[] => {
  const outputs = texts.map(parseOutput);
  const names = outputs.map((output) => output.stream('').name);
  for (const [index, name] of names.entries()) {
    const other = names.indexOf(name);
    if (other < index)
      throw new Error(
        `"${texts[other]}" and "${texts[index]}" would share a stream; give one of them a subject that begins otherwise`,
      );
  }
  return outputs;
};
