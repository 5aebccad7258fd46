import { createHash } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formatDiagnostic, loadPolicies, loadPolicyText } from '../../policies/index.ts';
import { temporaryFolder } from '../support/folder.ts';

const lines = (file: string, text: string): readonly string[] =>
  loadPolicyText(file, text).diagnostics.flatMap((found) => formatDiagnostic(found, { colour: false }).split('\n'));

const policy = (name: string, spec: string): string =>
  `apiVersion: shrike/v1\nkind: Policy\nmetadata: {name: ${name}}\nspec:\n${spec}`;

const RULE = `  rules:
    - rule: Read
      condition: evt.type = openat
      priority: notice
      output: read
`;

describe('ten mistakes in one file', () => {
  const file = fileURLToPath(new URL('data/ten-mistakes.yaml', import.meta.url));
  const { policies, diagnostics } = loadPolicies([file]);

  it('yields ten messages in one run, each at its place', () => {
    const text = diagnostics.map((found) => formatDiagnostic({ ...found, file: 'p.yaml' }, { colour: false }));
    expect(text).toStrictEqual([
      `p.yaml:8:56: error[bad-number]: "root" is not a number, but "user.uid" is; expected a decimal or 0x number.
  in spec.macros.trusted`,
      `p.yaml:11:12: error[unknown-event]: There is no event type "opennat"; did you mean "openat"?
  in spec.rules[0].on[0]
  expected the name of a system call`,
      `p.yaml:13:17: error[unknown-priority]: "critcal" is not a priority; expected one of emergency, alert, critical, error, warning, notice, informational, debug; did you mean "critical"?
  in spec.rules[0].priority`,
      `p.yaml:14:33: error[unknown-field]: There is no field "fd.nmae"; did you mean "fd.name"?
  in spec.rules[0].output
  expected a field's name`,
      `p.yaml:19:13: error[unknown-field]: There is no field "proc.nme"; did you mean "proc.name"?
  in spec.rules[1].condition
  expected a field's name`,
      `p.yaml:20:17: error[unclosed-parenthesis]: This "(" is never closed; add a ")".
  in spec.rules[1].condition`,
      `p.yaml:22:7: error[unknown-key]: spec.rules[1] has no key "outptu"; did you mean "output"?
  in spec.rules[1].outptu
  expected one of rule, desc, on, condition, threshold, sequence, priority, output, tags, action, limits, aggregate, enabled`,
      `p.yaml:23:13: error[duplicate-rule]: The rule "Password file read" is already defined in line 10; give one of them another name.
  in spec.rules[2].rule`,
      `p.yaml:25:11: error[operator-not-allowed]: The operator startswith does not fit the field "fd.num", which is a number; expected =, !=, <, <=, >, >=, in, intersects, exists.
  in spec.rules[2].condition`,
      `p.yaml:32:16: error[unknown-rule]: The test "cat reads it" expects the rule "Password file raed", which this policy does not have; did you mean "Password file read"?
  in spec.tests[0].expect[0]
  expected one of "Password file read", "Shell started"`,
    ]);
    expect(policies).toStrictEqual([]);
  });

  it('says of each what was expected', () => {
    expect(diagnostics.filter((found) => found.expected === undefined)).toStrictEqual([]);
  });
});

describe('the text of a file', () => {
  it('may hold several policies, and a wrong one leaves the others', () => {
    const text = [policy('one', RULE), policy('two', `  mode: enfroce\n${RULE}`), policy('three', RULE)].join('---\n');
    const { policies, diagnostics } = loadPolicyText('p.yaml', text);
    expect(policies.map(({ name }) => name)).toStrictEqual(['one', 'three']);
    expect(diagnostics.map(({ line, message }) => ({ line, message }))).toStrictEqual([
      { line: 15, message: 'spec.mode is "enfroce"; expected one of monitor, enforce; did you mean "enforce"?' },
    ]);
  });

  it('has to be YAML; what stands before the mistake is checked all the same', () => {
    const text = policy('p', '  mode: montior\n  rules:\n    - rule: "Read\n      condition: x\n');
    expect(lines('p.yaml', text)).toStrictEqual([
      'p.yaml:5:9: error[wrong-value]: spec.mode is "montior"; expected one of monitor, enforce; did you mean "monitor"?',
      'p.yaml:7:13: error[yaml-syntax]: This is not valid YAML: a text in " is never closed.',
    ]);
  });

  it('has no key twice', () => {
    expect(lines('p.yaml', policy('p', `${RULE}  rules: []\n`))).toContain(
      'p.yaml:10:3: error[yaml-syntax]: This is not valid YAML: this key stands twice in the same mapping.',
    );
  });

  it('may not use aliases, so that ten lines can not become a billion values', () => {
    const names = ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'];
    const bomb = names.map((name) => {
      const last = String.fromCharCode(name.charCodeAt(0) - 1);
      return `    ${name}: &${name} [${Array.from({ length: 10 }, () => `*${last}`).join(', ')}]\n`;
    });
    const text = policy('p', `  lists:\n    a: &a [x]\n${bomb.join('')}${RULE}`);
    const { policies, diagnostics } = loadPolicyText('p.yaml', text);
    expect(policies).toStrictEqual([]);
    expect(diagnostics).toHaveLength(names.length * 10);
    expect(diagnostics[0]).toStrictEqual({
      severity: 'error',
      code: 'alias-not-allowed',
      file: 'p.yaml',
      line: 7,
      column: 12,
      message: 'The YAML alias "*a" is not allowed in a policy; write the value out, or use a list or a macro.',
    });
  });

  it('may have 4 MiB', () => {
    const text = `${policy('p', RULE)}#${' '.repeat(4 * 1024 * 1024)}`;
    const bytes = new TextEncoder().encode(text).length;
    expect(lines('p.yaml', text)).toStrictEqual([
      `p.yaml:1:1: error[file-too-large]: The file has ${bytes} bytes; a policy file may have 4194304. Split it into several files.`,
    ]);
  });

  it.each([
    ['in brackets', 'a: ', '[', 1, 204],
    ['in dashes', '', '- ', 1, 203],
    ['in question marks', 'x: 1\n', '? ', 2, 203],
  ])('may not nest without end %s', (_, start, opener, line, column) => {
    expect(lines('p.yaml', start + opener.repeat(500_000))).toStrictEqual([
      `p.yaml:${line}:${column}: error[nested-too-deeply]: This is nested more than 200 levels deep; no policy needs that.`,
    ]);
  });

  it('has to be UTF-8', () => {
    const file = join(temporaryFolder(), 'latin1.yaml');
    writeFileSync(file, Buffer.from('apiVersion: shrike/v1\nkind: Pol\xEDcy\n', 'latin1'));
    expect(
      loadPolicies([file]).diagnostics.map(({ code, line, column, message }) => [code, line, column, message]),
    ).toStrictEqual([['not-utf8', 2, 10, 'The file is not UTF-8 from here on; save it as UTF-8.']]);
  });

  it('may start with a byte order mark', () => {
    const { policies, diagnostics } = loadPolicyText('p.yaml', `\uFEFF${policy('p', RULE)}`);
    expect(diagnostics).toStrictEqual([]);
    expect(policies.map(({ name }) => name)).toStrictEqual(['p']);
  });

  it.each([
    [
      '',
      'p.yaml:1:1: error[empty-file]: There is nothing in this file; expected a policy: a mapping with apiVersion, kind, metadata and spec.',
    ],
    [
      'hello\n',
      'p.yaml:1:1: error[not-a-policy]: Expected a policy: a mapping with apiVersion, kind, metadata and spec, but found "hello".',
    ],
  ])('has to be a policy: %j', (text, expected) => {
    expect(lines('p.yaml', text)).toStrictEqual([expected]);
  });
});

describe('a policy', () => {
  it('that enforces needs a scope', () => {
    const expected =
      'The policy "p" has mode enforce but no scope, so it would act on every process; expected a scope such as {cgroup: /system.slice}.';
    expect(lines('p.yaml', policy('p', `  mode: enforce\n${RULE}`))).toStrictEqual([
      `p.yaml:5:9: error[scope-missing]: ${expected}`,
      '  in spec.scope',
    ]);
    expect(lines('p.yaml', policy('p', `  mode: enforce\n  scope: {}\n${RULE}`))).toStrictEqual([
      `p.yaml:6:10: error[scope-missing]: ${expected}`,
      '  in spec.scope',
    ]);
  });

  it('in mode monitor may have rules that would deny or kill', () => {
    const { policies, diagnostics } = loadPolicyText('p.yaml', policy('p', `${RULE}      action: kill\n`));
    expect(diagnostics).toStrictEqual([]);
    expect(policies[0]?.rules.map(({ action, mode }) => ({ action, mode }))).toStrictEqual([
      { action: 'kill', mode: 'monitor' },
    ]);
  });

  it('leaves a disabled rule out, but checks it', () => {
    const rules = `${RULE}      enabled: false\n    - {rule: B, condition: proc.name = b, priority: INFO, output: b, enabled: false}\n`;
    const { policies, diagnostics } = loadPolicyText('p.yaml', policy('p', rules));
    expect(policies).toStrictEqual([]);
    expect(diagnostics.map(({ message }) => message)).toStrictEqual([
      '"INFO" is not a priority; expected one of emergency, alert, critical, error, warning, notice, informational, debug.',
    ]);
    const fixed = loadPolicyText('p.yaml', policy('p', rules.replace('INFO', 'Notice')));
    expect(fixed.policies[0]?.rules).toStrictEqual([]);
  });

  it('is told what is wrong with its shape', () => {
    const text =
      'apiVersion: shrike/v2\nkind: Policy\nmetadata: {nmae: p}\nspec:\n  scope: [/system.slice]\n  rules: []\n  tests:\n    - {name: t, scenario: {}, expect: Read}\n';
    expect(lines('p.yaml', text)).toStrictEqual([
      'p.yaml:1:13: error[wrong-value]: apiVersion is "shrike/v2"; expected shrike/v1; did you mean "shrike/v1"?',
      'p.yaml:3:12: error[unknown-key]: metadata has no key "nmae"; did you mean "name"?',
      '  in metadata.nmae',
      '  expected one of name, description',
      'p.yaml:5:10: error[wrong-type]: spec.scope is a list; expected a mapping such as {cgroup: /system.slice}.',
      'p.yaml:6:10: error[wrong-value]: spec.rules is an empty list; expected a list of at least one rule.',
      'p.yaml:8:27: error[wrong-value]: spec.tests[0].scenario is a mapping; expected one of {name: ...}, {inline: [...]} and {recording: ...}.',
      'p.yaml:8:39: error[wrong-type]: spec.tests[0].expect is "Read"; expected a list of rule names in the order of their alerts, [] for none.',
    ]);
  });

  it('has the name, hash, tests and rules that its file says', () => {
    const tests =
      '  tests:\n    - name: t\n      scenario: {inline: [{exec: [cat]}]}\n      expect: [Read]\n      enforce: true\n';
    const text = policy('p', RULE + tests);
    const { policies } = loadPolicyText('p.yaml', text);
    expect(policies[0]?.hash).toBe(createHash('sha256').update(text).digest('hex'));
    expect(policies[0]?.tests).toStrictEqual([
      {
        name: 't',
        policy: 'p',
        scope: {},
        scenario: { inline: [{ exec: ['cat'] }], places: expect.objectContaining({ file: 'p.yaml' }) },
        expect: ['Read'],
        enforce: true,
        position: { file: 'p.yaml', line: 11, column: 7 },
      },
    ]);
    expect(policies[0]?.rules[0]).toMatchObject({
      name: 'Read',
      policy: 'p',
      conditionText: 'evt.type = openat',
      on: [],
      priority: 'notice',
      action: 'alert',
      mode: 'monitor',
      scope: {},
      position: { file: 'p.yaml', line: 6, column: 7 },
    });
  });
});

describe('paths', () => {
  it('are files and folders, walked in the order of names; each file once', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'b'));
    writeFileSync(join(folder, 'c.yml'), policy('c', RULE));
    writeFileSync(join(folder, 'b', 'b.yaml'), policy('b', RULE));
    writeFileSync(join(folder, 'a.yaml'), policy('a', RULE));
    writeFileSync(join(folder, 'notes.txt'), 'no policy');
    symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling.yaml'));
    const { policies, diagnostics } = loadPolicies([folder, join(folder, 'b', '..', 'a.yaml')]);
    expect(policies.map(({ name }) => name)).toStrictEqual(['a', 'b', 'c']);
    expect(diagnostics).toStrictEqual([]);
  });

  it('lead into a folder named enforce only when asked', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'enforce'));
    writeFileSync(join(folder, 'a.yaml'), policy('a', RULE));
    writeFileSync(join(folder, 'enforce', 'b.yaml'), policy('b', RULE));
    const names = (...loaded: Parameters<typeof loadPolicies>) =>
      loadPolicies(...loaded).policies.map(({ name }) => name);
    expect(names([folder])).toStrictEqual(['a']);
    expect(names([folder], { enforcing: true })).toStrictEqual(['a', 'b']);
    expect(names([join(folder, 'enforce')])).toStrictEqual(['b']);
  });

  it('that lead nowhere are named', () => {
    const folder = temporaryFolder();
    const { policies, diagnostics } = loadPolicies(['no/such.yaml', folder]);
    expect(policies).toStrictEqual([]);
    expect(diagnostics.map((found) => formatDiagnostic(found, { colour: false }))).toStrictEqual([
      'no/such.yaml:1:1: error[file-not-found]: There is no file or folder "no/such.yaml".',
      `${folder}:1:1: warning[no-policies]: The folder "${folder}" has no .yaml or .yml file.`,
    ]);
  });

  it('with the same policy twice give the first', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'a.yaml'), policy('same', RULE));
    writeFileSync(join(folder, 'b.yaml'), policy('same', RULE));
    const { policies, diagnostics } = loadPolicies([folder]);
    expect(policies.map(({ file }) => file)).toStrictEqual([join(folder, 'a.yaml')]);
    expect(diagnostics.map(({ line, column, message }) => ({ line, column, message }))).toStrictEqual([
      {
        line: 3,
        column: 18,
        message: `The policy "same" is already defined in ${join(folder, 'a.yaml')}, line 3; give one of them another name.`,
      },
    ]);
  });
});
