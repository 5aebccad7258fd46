import { expect, it } from 'vitest';
import { formatOutput } from '../../alerts/index.ts';
import { type FieldSource, type FieldValue, parseTemplate, type TemplateField } from '../../rules/index.ts';

const values: Readonly<Record<string, FieldValue>> = {
  'proc.name': { state: 'present', value: 'cat', trust: 'resolved' },
  'fd.name': { state: 'present', value: '/tmp/a\nCritical fake\x1b[2J\u202e', trust: 'as passed' },
  'proc.pid': { state: 'present', value: 42n, trust: 'resolved' },
  'fd.ino': { state: 'present', value: 2n ** 63n, trust: 'resolved' },
  'evt.failed': { state: 'present', value: false, trust: 'resolved' },
  'proc.aname': { state: 'present', value: ['bash', 'sshd'], trust: 'resolved' },
  'proc.aname[2]': { state: 'present', value: 'sshd', trust: 'resolved' },
  'proc.cmdline': { state: 'present', value: 'aGkgdGhlcmU=', trust: 'resolved' },
  'proc.cwd': { state: 'unknown' },
};
const source: FieldSource = ({ name, argument }) =>
  values[argument === undefined ? name : `${name}[${argument}]`] ?? { state: 'absent' };

const field = (name: string, more: Partial<TemplateField> = {}): TemplateField => ({ name, transformers: [], ...more });
const print = (...parts: (string | TemplateField)[]) => formatOutput({ text: '', parts }, source).text;

it('fills in fields, with <NA> where the event has none and <unknown> where it could not be had', () => {
  const parts = [field('proc.name'), ' read ', field('evt.res'), ' in ', field('proc.cwd'), ', ', field('proc.pid')];
  expect(formatOutput({ text: '', parts }, source)).toEqual({
    text: 'cat read <NA> in <unknown>, 42',
    fields: { 'proc.name': 'cat', 'evt.res': null, 'proc.cwd': null, 'proc.pid': 42 },
    trust: { 'proc.name': 'resolved', 'proc.cwd': 'unknown', 'proc.pid': 'resolved' },
  });
});

it('lets no value forge a line or drive a terminal, and keeps the value itself whole', () => {
  const { text, fields } = formatOutput({ text: '', parts: ['file ', field('fd.name')] }, source);
  expect(text).toBe('file /tmp/a\\nCritical fake\\x1b[2J\\u{202e}');
  expect(fields).toEqual({ 'fd.name': '/tmp/a\nCritical fake\x1b[2J\u202e' });
});

it('keeps numbers that JSON would round as decimal text', () => {
  const { text, fields } = formatOutput({ text: '', parts: [field('fd.ino')] }, source);
  expect([text, fields]).toEqual(['9223372036854775808', { 'fd.ino': '9223372036854775808' }]);
});

it('names a field with its argument', () => {
  const { text, fields } = formatOutput({ text: '', parts: [field('proc.aname', { argument: '2' })] }, source);
  expect([text, fields]).toEqual(['sshd', { 'proc.aname[2]': 'sshd' }]);
});

it('prints lists in brackets and booleans as words', () => {
  expect(print(field('proc.aname'), ' ', field('evt.failed'))).toBe('(bash,sshd) false');
});

it('fills a width up with blanks and cuts what is longer', () => {
  expect(print('[', field('proc.name', { width: 5 }), ']')).toBe('[cat  ]');
  expect(print('[', field('proc.name', { width: 2 }), ']')).toBe('[ca]');
  expect(print('[', field('evt.res', { width: 6 }), ']')).toBe('[<NA>  ]');
});

it.each([
  ['toupper', 'proc.name', 'CAT'],
  ['tolower', 'proc.name', 'cat'],
  ['toupper', 'proc.aname', '(BASH,SSHD)'],
  ['len', 'proc.name', '3'],
  ['len', 'proc.aname', '2'],
  ['b64', 'proc.cmdline', 'hi there'],
  ['b64', 'fd.name', '<NA>'],
  ['len', 'evt.res', '<NA>'],
  ['tolower', 'proc.cwd', '<unknown>'],
] as const)('applies %s to %s', (name, fieldName, expected) => {
  expect(print(field(fieldName, { transformers: [name] }))).toBe(expected);
});

it('takes the part after the last slash as basename, and applies transformers from the inside out', () => {
  expect(print(field('fd.name', { transformers: ['basename', 'len'] }))).toBe(
    String(new TextEncoder().encode('a\nCritical fake\x1b[2J\u202e').length),
  );
});

it('prints what transformers of several operands make, with each field of theirs', () => {
  const { template, problems } = parseTemplate(
    '%toupper(concat(proc.name, ":", proc.pid)) %8join("<", proc.aname)! %concat(proc.name, proc.cwd)',
  );
  expect(problems).toEqual([]);
  expect(formatOutput(template, source)).toEqual({
    text: 'CAT:42 bash<ssh! <unknown>',
    fields: { 'proc.name': 'cat', 'proc.pid': 42, 'proc.aname': ['bash', 'sshd'], 'proc.cwd': null },
    trust: { 'proc.name': 'resolved', 'proc.pid': 'resolved', 'proc.aname': 'resolved', 'proc.cwd': 'unknown' },
  });
});
