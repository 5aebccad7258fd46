import { expect, it } from 'vitest';
import { NATIVE_OUTPUT, parseOutput, parseOutputs } from '../../../alerts/formats/output.ts';
import { anAlert } from '../../support/alert.ts';

const alert = anAlert(3, { rule: 'Read (it)' });

it('publishes the native record as it stands in the log', () => {
  expect(parseOutput('native')).toBe(NATIVE_OUTPUT);
  expect(parseOutput('native=shrike.alerts.<host>.<priority>.<rule>')).toBe(NATIVE_OUTPUT);
  expect(NATIVE_OUTPUT.stream('web-1')).toEqual({ name: 'SHRIKE_ALERTS', subjects: 'shrike.alerts.>' });
  expect(NATIVE_OUTPUT.subjectOf(alert)).toBe('shrike.alerts.web_1.critical.read_it_');
  expect(NATIVE_OUTPUT.payloadOf(alert, '{"as":"written"}')).toBe('{"as":"written"}');
});

it('names stream and subjects after a template', () => {
  const output = parseOutput('native=security.eu.<host>.<rule>');
  expect(output.stream('web-1')).toEqual({ name: 'SHRIKE_SECURITY_EU', subjects: 'security.eu.*.*' });
  expect(output.subjectOf(alert)).toBe('security.eu.web_1.read_it_');
  expect(output.hostSubject('Web-1')).toBe('security.eu.web_1.*');
});

it("shows Falco's alerts under falcosidekick's subject, and keeps them by host", () => {
  const output = parseOutput('falco');
  expect(output.stream('web-1')).toEqual({
    name: 'SHRIKE_FALCO_WEB_1',
    subjects: 'shrike.falco.web_1.*.*',
    republish: { src: 'shrike.falco.web_1.*.*', dest: 'falco.{{wildcard(1)}}.{{wildcard(2)}}' },
  });
  expect(output.subjectOf(alert)).toBe('shrike.falco.web_1.critical.read_it');
  expect(output.plainSubjectOf(alert)).toBe('falco.critical.read_it');
  expect(parseOutput('falco=f.<rule>.x.<policy>').stream('h')).toMatchObject({
    subjects: 'shrike.falco.h.*.*',
    republish: { dest: 'f.{{wildcard(1)}}.x.{{wildcard(2)}}' },
  });
  expect(parseOutput('falco=f.<host>.<rule>').stream('h')).toEqual({ name: 'SHRIKE_F', subjects: 'f.*.*' });
  expect(parseOutput('ecs').stream('h')).toEqual({ name: 'SHRIKE_ECS', subjects: 'shrike.ecs.*.*.*' });
});

it.each([
  ['syslog', '"syslog" is no format of alerts; there are native, falco, ecs'],
  [
    'native=a.<rule>',
    'the subject template "a.<rule>" can\'t be used: the native record\'s must name <host>, by which subscribers find what did not arrive',
  ],
  ['falco=falco', 'the subject template "falco" can\'t be used: it names no part of an alert'],
])('refuses %s', (text, message) => {
  expect(() => parseOutput(text)).toThrow(new Error(message));
});

it('refuses two outputs that would share a stream', () => {
  expect(parseOutputs(['native', 'falco', 'ecs']).map(({ format }) => format)).toEqual(['native', 'falco', 'ecs']);
  expect(() => parseOutputs(['native', 'ecs', 'ecs=shrike.ecs.<host>'])).toThrow(
    new Error(
      '"ecs" and "ecs=shrike.ecs.<host>" would share a stream; give one of them a subject that begins otherwise',
    ),
  );
});
