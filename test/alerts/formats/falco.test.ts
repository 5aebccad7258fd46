import { expect, it } from 'vitest';
import { falcoJson, falcoToken } from '../../../alerts/formats/falco.ts';
import { anAlert } from '../../support/alert.ts';

/** The layout is that of lines which Falco 0.40 wrote: members in alphabetical order, evt.time in nanoseconds beyond 2^53. */
it("writes Falco's line", () => {
  const alert = anAlert(1, {
    time: '2025-06-06T11:23:11.855188321Z',
    host: 'node-7',
    rule: 'Shell in a container',
    priority: 'warning',
    tags: ['shell', 'container', 'shell'],
    output: 'Shell (user=root container=998306071edc)',
    fields: { 'user.name': 'root', 'container.id': '998306071edc', 'proc.aname[2]': null, 'proc.tty': 34816 },
  });
  const line = falcoJson(alert);
  expect(line.replace(/"uuid":"[^"]*"/, '"uuid":""')).toBe(
    '{"hostname":"node-7","output":"11:23:11.855188321: Warning Shell (user=root container=998306071edc)",' +
      '"output_fields":{"container.id":"998306071edc","evt.time":1749208991855188321,"proc.aname[2]":null,"proc.tty":34816,"user.name":"root"},' +
      '"priority":"Warning","rule":"Shell in a container","source":"syscall","tags":["container","shell"],' +
      '"time":"2025-06-06T11:23:11.855188321Z","uuid":""}',
  );
});

it('gives an alert one UUID, and another alert another', () => {
  const uuidOf = (seq: number) => (JSON.parse(falcoJson(anAlert(seq))) as { uuid: string }).uuid;
  expect(uuidOf(1)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(uuidOf(1)).toBe(uuidOf(1));
  expect(uuidOf(1)).not.toBe(uuidOf(2));
});

it('stays JSON whatever the values hold', () => {
  const text = 'a"b\\c\n\u2028\ud800';
  const parsed = JSON.parse(
    falcoJson(anAlert(1, { output: text, fields: { 'proc.name': text }, host: text })),
  ) as object;
  expect(parsed).toMatchObject({ hostname: text, output_fields: { 'proc.name': text } });
});

it.each([
  ['Terminal shell in container', 'terminal_shell_in_container'],
  ['Read (sensitive) file!', 'read_sensitive_file'],
  ['__x__', 'x'],
  ['ÄÖ', '_'],
])("names the rule %s as falcosidekick's subjects do", (rule, token) => {
  expect(falcoToken(rule)).toBe(token);
});
