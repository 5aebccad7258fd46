import type { Attempt, AuditLog, Switching } from '../alerts/index.ts';
import type { ExpectedEnforcement } from '../policies/index.ts';

/** The body of an audit record of the kind `enforcement`. */
export type EnforcementBody = Attempt | Switching;

/** A log that also hands over what is said of enforcement, as it is appended. */
export const withListener = (log: AuditLog, onEnforcement: (body: EnforcementBody) => void): AuditLog => {
  const append = (kind: Parameters<AuditLog['append']>[0], body: unknown): ReturnType<AuditLog['append']> => {
    const entry = log.append(kind, body);
    if (kind === 'enforcement') onEnforcement(body as EnforcementBody);
    return entry;
  };
  return Object.assign(Object.create(log) as AuditLog, { append });
};

const textOfBody = (body: EnforcementBody): string => {
  if ('switched' in body) return `switched ${body.switched}`;
  if ('lapsed' in body) return 'lapsed';
  return `${body.outcome} (${body.rule}, ${body.exe ?? 'an executable that is not known'})`;
};

const textOfExpected = (expected: ExpectedEnforcement): string => {
  if (expected.kind === 'switched') return `switched ${expected.switched}`;
  if (expected.kind === 'lapsed') return 'lapsed';
  const of = [expected.rule, expected.exe].filter((each) => each !== undefined);
  return of.length === 0 ? expected.outcome : `${expected.outcome} (${of.join(', ')})`;
};

const fits = (expected: ExpectedEnforcement, body: EnforcementBody): boolean => {
  if (expected.kind === 'switched') return 'switched' in body && body.switched === expected.switched;
  if (expected.kind === 'lapsed') return 'lapsed' in body;
  if (!('outcome' in body) || body.outcome !== expected.outcome) return false;
  const { rule = body.rule, exe = body.exe } = expected;
  return rule === body.rule && exe === body.exe;
};

/** Where the records of what was denied, killed, kept back or switched first differ from those that are expected, as a sentence; none where they don't. */
export const compareEnforced = (
  expected: readonly ExpectedEnforcement[],
  bodies: readonly EnforcementBody[],
): readonly string[] => {
  const each = expected.flatMap((one) => Array<ExpectedEnforcement>(one.kind === 'attempt' ? one.times : 1).fill(one));
  const length = Math.max(each.length, bodies.length);
  for (let index = 0; index < length; index++) {
    const [wanted, body] = [each[index], bodies[index]];
    if (wanted !== undefined && body !== undefined && fits(wanted, body)) continue;
    const number = `enforcement record ${index + 1}`;
    if (body === undefined) return [`${number} is missing; expected ${wanted && textOfExpected(wanted)}`];
    if (wanted === undefined) return [`${number} is ${textOfBody(body)}; expected no more than ${each.length}`];
    return [`${number} is ${textOfBody(body)}; expected ${textOfExpected(wanted)}`];
  }
  return [];
};
