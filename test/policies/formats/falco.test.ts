import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatDiagnostic, type LoadResult, loadPolicies, loadPolicyText } from '../../../policies/index.ts';
import { casesFolder } from '../../support/cases.ts';
import { temporaryFolder } from '../../support/folder.ts';

const load = (text: string): LoadResult => loadPolicyText('local.yaml', text);
const messages = ({ diagnostics }: LoadResult): readonly string[] =>
  diagnostics.map((found) => formatDiagnostic(found, { colour: false }).split('\n', 1)[0] ?? '');
const conditionOf = ({ policies }: LoadResult, rule: string): string | undefined =>
  policies.flatMap(({ rules }) => rules).find(({ name }) => name === rule)?.conditionText;

/** The values a rule's only predicate compares with. */
const valuesOf = ({ policies }: LoadResult, rule: string): readonly string[] => {
  const condition = policies.flatMap(({ rules }) => rules).find(({ name }) => name === rule)?.condition;
  return condition?.kind === 'predicate' ? condition.constants.map(({ value }) => String(value)) : [];
};

const rule = (name: string, condition: string): string =>
  `- rule: ${name}\n  desc: d\n  condition: ${condition}\n  output: o\n  priority: WARNING\n`;

describe('a Falco rules file', () => {
  it('is told from a native one by its content', () => {
    const { policies, diagnostics } = load(rule('R', 'proc.name = cat'));
    expect(diagnostics).toStrictEqual([]);
    expect(policies).toHaveLength(1);
    expect(policies[0]).toMatchObject({
      name: 'local',
      format: 'falco',
      file: 'local.yaml',
      mode: 'monitor',
      scope: {},
      tests: [],
    });
    expect(policies[0]?.rules[0]).toMatchObject({
      name: 'R',
      policy: 'local',
      description: 'd',
      priority: 'warning',
      action: 'alert',
      on: [],
      position: { file: 'local.yaml', line: 1, column: 3 },
    });
  });

  it('may say which engine and plugins it needs', () => {
    const text = `- required_engine_version: 0.57.0\n- required_plugin_versions:\n    - name: container\n      version: 0.4.0\n`;
    expect(messages(load(text + rule('R', 'proc.name = cat')))).toStrictEqual([]);
  });

  it.each([
    ['Emergency', 'emergency'],
    ['INFO', 'informational'],
    ['Informational', 'informational'],
    ['warning', 'warning'],
  ])('has priorities in any case: %s', (written, priority) => {
    const loaded = load(rule('R', 'proc.name = cat').replace('WARNING', written));
    expect(loaded.policies[0]?.rules[0]?.priority).toBe(priority);
  });

  it('names the nearest priority, and loads the rest', () => {
    const loaded = load(rule('A', 'proc.name = cat').replace('WARNING', 'WARNNG') + rule('B', 'proc.name = cat'));
    expect(messages(loaded)).toStrictEqual([
      'local.yaml:5:13: error[unknown-priority]: "WARNNG" is not a priority; expected one of emergency, alert, critical, error, warning, notice, informational, debug; did you mean "warning"?',
    ]);
    expect(loaded.policies[0]?.rules.map(({ name }) => name)).toStrictEqual(['B']);
  });

  it('leaves a rule out that needs what is not there yet, by its name', () => {
    const macro = '- macro: tty\n  condition: thread.cpu != 0\n';
    const loaded = load(
      macro + rule('A', 'evt.type = openat and tty and thread.cpu = 1') + rule('B', 'proc.name = cat'),
    );
    expect(messages(loaded)).toStrictEqual([
      'local.yaml:5:36: warning[rule-left-out]: The rule "A" is left out. It names what is not supported yet: "thread.cpu".',
    ]);
    expect(loaded.policies[0]?.rules.map(({ name }) => name)).toStrictEqual(['B']);
  });

  it('prints <NA> for output fields that are not there yet, and says so once', () => {
    const text =
      rule('A', 'proc.name = a').replace('output: o', 'output: "%proc.name %thread.cpu %thread.cpu"') +
      rule('B', 'proc.name = b').replace('output: o', 'output: x %thread.cpu');
    const loaded = load(text);
    expect(messages(loaded)).toStrictEqual([
      'local.yaml:4:24: warning[prints-nothing]: The field "thread.cpu" is known to Falco but not supported yet; 2 rules will print it as <NA>.',
    ]);
    expect(loaded.policies[0]?.rules).toHaveLength(2);
  });

  it('reports mistakes that no engine would take, each at its place', () => {
    const text = `- macro: m\n  condition: proc.nme = x\n${rule('A', 'm and proc.name startwith x')}- rule: B\n  condition: proc.name = b\n  tagz: [x]\n- lst: x\n- 7\n${rule('C', 'proc.name = c and nowhere')}  colour: red\n`;
    const loaded = load(text);
    expect(messages(loaded)).toStrictEqual([
      'local.yaml:2:14: error[unknown-field]: There is no field "proc.nme"; did you mean "proc.name"?',
      'local.yaml:5:30: error[unknown-operator]: There is no operator "startwith"; did you mean "startswith"?',
      'local.yaml:8:3: error[missing-key]: The rule "B" lacks the key "desc"; expected a sentence that says what the rule is for.',
      'local.yaml:8:3: error[missing-key]: The rule "B" lacks the key "output"; expected a template such as "%proc.name read %fd.name".',
      'local.yaml:8:3: error[missing-key]: The rule "B" lacks the key "priority"; expected a priority such as WARNING.',
      'local.yaml:10:3: warning[unknown-key]: [2] has no key "tagz"; did you mean "tags"?',
      'local.yaml:11:3: error[unknown-key]: The entry [3] has no key "lst"; did you mean "list"?',
      'local.yaml:12:3: error[wrong-type]: The entry [4] is the number 7; expected an entry with one of the keys rule, macro, list, required_engine_version, required_plugin_versions.',
      'local.yaml:15:32: error[unknown-macro]: There is no macro "nowhere".',
      'local.yaml:18:3: warning[unknown-key]: [5] has no key "colour".',
    ]);
  });

  it('passes rules of other sources over', () => {
    const loaded = load(
      `${rule('A', 'ka.verb = get')}  source: k8s_audit\n${rule('B', 'proc.name = b')}  source: syscall\n`,
    );
    expect(messages(loaded)).toStrictEqual([
      'local.yaml:1:3: warning[other-source]: The rule "A" is left out: its source is "k8s_audit", and only syscall events are seen here.',
    ]);
    expect(loaded.policies[0]?.rules.map(({ name }) => name)).toStrictEqual(['B']);
  });

  it('leaves disabled rules out, whichever entry says so', () => {
    const loaded = load(
      `${rule('A', 'proc.name = a')}  enabled: false\n${rule('B', 'proc.name = b')}- {rule: B, enabled: false}\n${rule('C', 'proc.name = c')}  enabled: false\n- {rule: C, enabled: true}\n`,
    );
    expect(messages(loaded)).toStrictEqual([]);
    expect(loaded.policies[0]?.rules.map(({ name }) => name)).toStrictEqual(['C']);
  });
});

describe('lists and macros', () => {
  it('stand for their values, lists in lists too; quotes inside an item are not part of it', () => {
    const text = `- list: a\n  items: [x, '"(systemd)"', 22]\n- list: b\n  items: [a, "y z", "runc:[1:CHILD]"]\n${rule('R', 'proc.name in (b, q)')}`;
    expect(valuesOf(load(text), 'R')).toStrictEqual(['x', '(systemd)', '22', 'y z', 'runc:[1:CHILD]', 'q']);
  });

  it('see what is defined before them; rules see everything', () => {
    const macros = '- macro: early\n  condition: late\n- macro: late\n  condition: proc.name = late\n';
    expect(messages(load(rule('R', 'late') + macros))).toStrictEqual([
      'local.yaml:7:14: error[unknown-macro]: The macro "late" is defined only after this one, in line 9; move it before.',
    ]);
    expect(
      messages(load(rule('R', 'late') + macros.replace('condition: late', 'condition: proc.name = x'))),
    ).toStrictEqual([]);
    const lists = `- list: early\n  items: [late]\n- list: late\n  items: [x]\n${rule('R', 'proc.name in (early)')}`;
    expect(valuesOf(load(lists), 'R')).toStrictEqual(['late']);
  });

  it.each([
    [
      'append: true',
      'append: true',
      'append: true',
      'append: true',
      [
        'local.yaml:17:3: warning[deprecated-append]: "append" is deprecated by Falco; write override: {items: append}.',
        'local.yaml:20:3: warning[deprecated-append]: "append" is deprecated by Falco; write override: {condition: append}.',
        'local.yaml:23:3: warning[deprecated-append]: "append" is deprecated by Falco; write override: {condition: append}.',
      ],
    ],
    ['override', 'override: {items: append}', 'override: {condition: append}', 'override: {condition: append}', []],
  ])('and rules take what is appended to them with %s', (_, list, macro, ruleChange, told) => {
    const text = `- list: l\n  items: [a]\n- macro: m\n  condition: proc.name = a\n${rule('L', 'proc.name in (l)')}${rule('M', 'proc.name = x')}- list: l\n  items: [b, c]\n  ${list}\n- macro: m\n  condition: or proc.name = b\n  ${macro}\n- rule: M\n  condition: or not m\n  ${ruleChange}\n`;
    const loaded = load(text);
    expect(messages(loaded)).toStrictEqual(told);
    expect(valuesOf(loaded, 'L')).toStrictEqual(['a', 'b', 'c']);
    expect(conditionOf(loaded, 'M')).toBe('proc.name = x or not m');
    const condition = loaded.policies[0]?.rules.find(({ name }) => name === 'M')?.condition;
    expect(
      condition?.kind === 'or' && condition.operands[1]?.kind === 'not' && condition.operands[1].operand.kind,
    ).toBe('or');
  });

  it('can be replaced; the last one counts, for rules before it too', () => {
    const text = `- macro: exempt\n  condition: evt.num = 0\n${rule('R', 'proc.name = a and not exempt')}- macro: exempt\n  condition: proc.pname = b\n- list: l\n  items: [x]\n- list: l\n  items: [y]\n  override: {items: replace}\n${rule('L', 'proc.name in (l)')}`;
    const loaded = load(text);
    const condition = loaded.policies[0]?.rules[0]?.condition;
    const negated = condition?.kind === 'and' ? condition.operands[1] : undefined;
    expect(negated?.kind === 'not' && negated.operand.kind === 'predicate' && negated.operand.field.name).toBe(
      'proc.pname',
    );
    expect(valuesOf(loaded, 'L')).toStrictEqual(['y']);
  });

  it('are changed only in members that can change, and in a way that fits', () => {
    const change = '- rule: R\n  override: {condtion: append, priority: append}\n  priority: INFO\n';
    expect(messages(load(rule('R', 'proc.name = a') + change))).toStrictEqual([
      'local.yaml:7:14: warning[unknown-key]: [1].override has no key "condtion"; did you mean "condition"?',
      'local.yaml:7:42: error[wrong-value]: [1].override.priority is "append"; expected replace; this member has one value.',
    ]);
  });

  it('can only be changed where they are', () => {
    const text = `${rule('Shell', 'proc.name = sh')}- list: l\n  items: [x]\n  override: {items: append}\n- rule: Shel\n  condition: and proc.name = x\n  override: {condition: append}\n- macro: m\n  condition: or x\n  override: {condition: append}\n`;
    expect(messages(load(text))).toStrictEqual([
      'local.yaml:6:9: error[nothing-to-append-to]: There is no list "l" before this one that it could change.',
      'local.yaml:9:9: error[nothing-to-append-to]: There is no rule "Shel" before this one that it could change; did you mean "Shell"?',
      'local.yaml:12:10: error[nothing-to-append-to]: There is no macro "m" before this one that it could change.',
    ]);
  });

  it('a mistake in an appended condition is shown in the entry that appends it', () => {
    const text = `${rule('R', 'proc.name = a')}- rule: R\n  condition: and proc.nme = b\n  override: {condition: append}\n`;
    expect(messages(load(text))).toStrictEqual([
      'local.yaml:7:18: error[unknown-field]: There is no field "proc.nme"; did you mean "proc.name"?',
    ]);
  });
});

describe('what Falco says of a rule beside its condition', () => {
  it('is changed by an override of each key', () => {
    const change =
      '- rule: R\n  desc: more\n  priority: INFO\n  tags: [b]\n  output: p\n  enabled: true\n  warn_evttypes: false\n  override: {desc: append, priority: replace, tags: append, output: append, enabled: replace, warn_evttypes: replace}\n';
    const loaded = load(`${rule('R', 'proc.name = a')}  tags: [a]\n  enabled: false\n${change}`);
    expect(messages(loaded)).toStrictEqual([]);
    expect(loaded.policies[0]?.rules).toMatchObject([
      { description: 'd more', priority: 'informational', tags: ['a', 'b'], output: { text: 'o p' }, anyEvent: true },
    ]);
  });

  it('lets a rule go without fields that do not exist where skip-if-unknown-filter says so', () => {
    const text = `${rule('A', 'evt.type = openat and proc.nme = x')}  skip-if-unknown-filter: true\n${rule('B', 'proc.name = b')}`;
    const loaded = load(text);
    expect(messages(loaded)).toStrictEqual([
      'local.yaml:3:36: warning[rule-left-out]: The rule "A" is left out. There is no field "proc.nme"; did you mean "proc.name"?',
    ]);
    expect(loaded.policies[0]?.rules.map(({ name }) => name)).toStrictEqual(['B']);
  });

  it.each(['0.63.0', '0.31', '63', '15', '"0.63"'])('may require the engine %s', (version) => {
    const loaded = load(`- required_engine_version: ${version}\n${rule('R', 'proc.name = a')}`);
    expect(messages(loaded)).toStrictEqual([]);
    expect(loaded.policies).toHaveLength(1);
  });

  it.each(['0.64.0', '1.0.0', '64'])('may not require the newer engine %s', (version) => {
    const loaded = load(`- required_engine_version: ${version}\n${rule('R', 'proc.name = a')}`);
    expect(messages(loaded)).toStrictEqual([
      `local.yaml:1:28: error[version-too-new]: These rules require Falco's engine ${version}; 0.63 is the newest that is understood here.`,
    ]);
    expect(loaded.policies).toStrictEqual([]);
  });

  it('may require plugins, or one of their alternatives', () => {
    const plugins =
      '- required_plugin_versions:\n    - {name: k8smeta, version: 0.1.0, alternatives: [{name: container, version: 0.4.0}]}\n    - {name: json, version: 0.7.0, alternatives: [{name: k8saudit, version: 0.7.0}]}\n';
    expect(messages(load(plugins + rule('R', 'proc.name = a')))).toStrictEqual([
      'local.yaml:3:14: warning[plugin-not-there]: The plugin "json" has no counterpart here, nor have its alternatives "k8saudit"; rules that need its events are left out.',
    ]);
  });

  it('is noted where it has no effect', () => {
    expect(messages(load(`${rule('R', 'proc.name = a')}  capture: true\n  capture_duration: 5000\n`))).toStrictEqual([
      'local.yaml:6:3: warning[no-effect]: "capture" has no effect here: system calls are not captured into files.',
    ]);
    expect(messages(load(`${rule('R', 'proc.name = a')}  capture: false\n`))).toStrictEqual([]);
  });
});

describe('exceptions', () => {
  const withExceptions = (exceptions: string): LoadResult =>
    load(`${rule('R', 'evt.type = openat or proc.name = z')}  exceptions:\n${exceptions}`);

  it.each([
    [
      'one field',
      '    - {name: e, fields: proc.name, values: [cat, "a b"]}\n',
      '( evt.type = openat or proc.name = z ) and not (proc.name in (cat, "a b"))',
    ],
    [
      'several fields, with = where nothing is said',
      '    - {name: e, fields: [proc.name, fd.name], values: [[cat, /etc/x], [dd, "/a b"]]}\n',
      '( evt.type = openat or proc.name = z ) and not ((proc.name = cat) and (fd.name = /etc/x) or (proc.name = dd) and (fd.name = "/a b"))',
    ],
    [
      'operators, lists as values, and several exceptions',
      '    - {name: e, fields: [proc.name, fd.name], comps: [in, startswith], values: [[[cat, dd], /etc]]}\n    - {name: f, fields: proc.pname, comps: contains, values: [x]}\n',
      '( evt.type = openat or proc.name = z ) and not ((proc.name in (cat, dd)) and (fd.name startswith /etc)) and not (proc.pname contains x)',
    ],
    ['no values', '    - {name: e, fields: proc.name}\n', 'evt.type = openat or proc.name = z'],
  ])('with %s become a negated part of the condition', (_, exceptions, condition) => {
    const loaded = withExceptions(exceptions);
    expect(messages(loaded)).toStrictEqual([]);
    expect(conditionOf(loaded, 'R')).toBe(condition);
  });

  it('take values from later entries', () => {
    const more =
      '- rule: R\n  exceptions:\n    - {name: e, values: [dd]}\n  override: {exceptions: append}\n- rule: R\n  exceptions:\n    - {name: g, fields: fd.name, values: [/x]}\n  override: {exceptions: append}\n';
    const loaded = withExceptions(`    - {name: e, fields: proc.name, values: [cat]}\n${more}`);
    expect(messages(loaded)).toStrictEqual([]);
    expect(conditionOf(loaded, 'R')).toBe(
      '( evt.type = openat or proc.name = z ) and not (proc.name in (cat, dd)) and not (fd.name in (/x))',
    );
  });

  it('that do not fit together are told', () => {
    const loaded = withExceptions(
      '    - {name: e, fields: [proc.name, fd.name], comps: [in]}\n    - {name: f, fields: [proc.name, fd.name], values: [[a]]}\n    - {name: g}\n    - {name: h, fields: proc.nme, values: [a]}\n',
    );
    expect(messages(loaded)).toStrictEqual([
      'local.yaml:7:7: error[bad-exception]: The exception "e" of the rule "R" has 2 fields but 1 comps; give one operator for each field.',
      'local.yaml:8:7: error[bad-exception]: The exception "f" of the rule "R" has 2 fields but a line of 1 values.',
      'local.yaml:9:7: error[bad-exception]: The exception "g" of the rule "R" names no fields.',
      'local.yaml:10:7: error[unknown-field]: There is no field "proc.nme"; did you mean "proc.name"?',
    ]);
  });
});

describe('several files', () => {
  it('are one set, in the order of loading; each keeps the rules it defines', () => {
    const folder = temporaryFolder();
    const first = join(folder, 'first.yaml');
    const second = join(folder, 'second.yaml');
    writeFileSync(
      first,
      `- list: l\n  items: [a]\n- macro: exempt\n  condition: evt.num = 0\n${rule('A', 'proc.name in (l) and not exempt')}`,
    );
    writeFileSync(
      second,
      `- list: l\n  items: [b]\n  override: {items: append}\n- rule: A\n  tags: [T1059]\n  override: {tags: append}\n${rule('B', 'proc.name in (l)')}`,
    );
    const loaded = loadPolicies([first, second]);
    expect(messages(loaded)).toStrictEqual([]);
    expect(loaded.policies.map(({ name, rules }) => [name, rules.map((one) => one.name)])).toStrictEqual([
      ['first', ['A']],
      ['second', ['B']],
    ]);
    expect(valuesOf(loaded, 'B')).toStrictEqual(['a', 'b']);
    expect(loaded.policies[0]?.rules[0]?.tags).toStrictEqual(['T1059']);
  });
});

describe.skipIf(casesFolder('falco') === undefined)('the public rules', () => {
  const loaded = loadPolicies([casesFolder('falco') ?? '']);
  const rules = loaded.policies.flatMap((policy) => policy.rules.map(({ name }) => name));
  const leftOut = loaded.diagnostics.filter(({ code }) => code === 'rule-left-out');

  it('load without an error', () => {
    expect(loaded.diagnostics.filter(({ severity }) => severity === 'error')).toStrictEqual([]);
  });

  it('are 56, of which at least 30 load and each other is named', () => {
    expect(rules.length).toBeGreaterThanOrEqual(30);
    // "Create Hardlink" and all others are there; those with enabled: false are none of the 56
    expect(rules.length + leftOut.length).toBe(56);
    expect(new Set(rules).size).toBe(rules.length);
  });
});
