import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatDiagnostic } from '../../../../policies/index.ts';
import { loadScenario, type Scenario } from '../../../../sensors/index.ts';
import { temporaryFolder } from '../../../support/folder.ts';
import { play } from './play.ts';

const BASE = `name: s
host:
  files:
    /srv/a: text
    /srv/b: {content: secret, mode: "0600"}
  containers: [{name: shop, image: nginx}]
  processes:
    - {name: one, path: /usr/bin/cat, uid: 33, container: shop}
steps:
  - {id: first, openat: /srv/a, by: one}
  - {id: second, openat: {path: /srv/b, flags: O_RDONLY}, by: one, expect: EACCES}
  - {id: third, exec: [ls, -l], as: list, by: one}
  - exit
expect: [A rule, Another]
`;

const write = (text: string): string => {
  const path = join(temporaryFolder(), 's.yaml');
  writeFileSync(path, text);
  return path;
};

const loaded = (but: string): Scenario => {
  const { scenario, diagnostics } = loadScenario(write(`${BASE}but:\n${but}`));
  expect(diagnostics).toStrictEqual([]);
  if (scenario === undefined) throw new Error('not loaded');
  return scenario;
};

/** The messages about variants, with `s.yaml` for the file's path. */
const messages = (but: string): readonly string[] =>
  loadScenario(write(`${BASE}but:\n${but}`)).diagnostics.map((found) =>
    formatDiagnostic({ ...found, file: 's.yaml' }, { colour: false }),
  );

const only = (but: string): Scenario => {
  const [variant] = loaded(but).variants;
  if (variant === undefined) throw new Error('no variant');
  return variant;
};

describe('a variant', () => {
  it('has a name, what it says, and its own expectation; all of a file know the rules that one of them names', () => {
    const { name, expected, variants } = loaded(`  - {name: v, description: why, without: first, expect: [A third]}\n`);
    const named = ['A rule', 'Another', 'A third'];
    expect({ name, expected }).toStrictEqual({ name: 's', expected: { raised: ['A rule', 'Another'], named } });
    expect(variants.map((each) => [each.name, each.description, each.expected])).toStrictEqual([
      ['s/v', 'why', { raised: ['A third'], named }],
    ]);
  });

  it.each([
    ['another argument', '{step: first, change: {openat: /srv/b}', ['openat /srv/b', 'openat /srv/b O_RDONLY']],
    [
      'one key of several',
      '{step: second, change: {openat: {flags: O_WRONLY}}',
      ['openat /srv/a', 'openat /srv/b O_WRONLY'],
    ],
    ['a key less', '{step: second, change: {openat: {flags: null}}', ['openat /srv/a', 'openat /srv/b']],
    ['another call', '{step: second, change: {unlink: /srv/b}', ['openat /srv/a', 'unlink /srv/b']],
  ])('of a step has %s', (_, change, texts) => {
    const { steps } = only(`  - ${change}, name: v, expect: []}\n`);
    expect(steps.map(({ text }) => text)).toStrictEqual([...texts, 'exec ls -l', 'exit']);
  });

  it('lacks a step, or some', () => {
    const texts = (without: string): readonly string[] =>
      only(`  - {name: v, without: ${without}, expect: []}\n`).steps.map(({ text }) => text);
    expect(texts('second')).toStrictEqual(['openat /srv/a', 'exec ls -l', 'exit']);
    expect(texts('[third, first]')).toStrictEqual(['openat /srv/b O_RDONLY', 'exit']);
  });

  it('has a step more', () => {
    const texts = (where: string): readonly string[] =>
      only(`  - {name: v, add: {wait: 1s}${where}, expect: []}\n`).steps.map(({ text }) => text);
    expect(texts(', before: second').indexOf('wait 1s')).toBe(1);
    expect(texts('').at(-1)).toBe('wait 1s');
  });

  it('has another process, file or container', () => {
    const process = only(`  - {name: v, process: one, change: {uid: 0, path: /usr/bin/tac}, expect: []}\n`);
    expect(process.host.processes.map(({ name, uid, path }) => [name, uid, path])).toStrictEqual([
      ['one', 0, '/usr/bin/tac'],
    ]);
    const file = only(`  - {name: v, file: /srv/b, change: {mode: "0644"}, expect: []}\n`);
    expect(file.host.files.map(({ path, content, mode }) => [path, content, mode])).toStrictEqual([
      ['/srv/a', 'text', 0o644],
      ['/srv/b', 'secret', 0o644],
    ]);
    const text = only(`  - {name: v, file: /srv/a, change: {uid: 33}, expect: []}\n`);
    expect(text.host.files.map(({ content, uid }) => [content, uid])).toStrictEqual([
      ['text', 33],
      ['secret', 0],
    ]);
    const container = only(`  - {name: v, container: shop, change: {privileged: true}, expect: []}\n`);
    expect(container.host.containers.map(({ name, privileged, image }) => [name, privileged, image?.name])).toEqual([
      ['shop', true, 'nginx'],
    ]);
  });

  it('may build on another one, wherever that stands', () => {
    const { variants } = loaded(
      `  - {name: both, of: less, step: second, change: {expect: 3}, expect: []}\n  - {name: less, process: one, change: {uid: 0}, expect: []}\n`,
    );
    const [both] = variants;
    expect(both?.host.processes.map(({ uid }) => uid)).toStrictEqual([0]);
    expect(both?.steps[1]?.expect).toStrictEqual({ kind: 'result', operator: '=', value: 3 });
  });

  it('is played as any scenario; what goes wrong in it has its own place', async () => {
    const base = await play(loaded('  - {name: v, without: first, expect: []}\n'));
    expect(base.problems).toStrictEqual([]);
    const changed = only(`  - {name: v, process: one, change: {uid: 0}, expect: []}\n`);
    const { problems } = await play({ ...changed, file: 's.yaml' });
    expect(problems.map((text) => text.replace(/^.*\/s.yaml/, 's.yaml'))).toStrictEqual([
      's.yaml:11: step 2: one: openat /srv/b O_RDONLY returned 4; expected EACCES.',
    ]);
    const step = only(`  - name: v\n    step: first\n    change: {openat: /srv/c}\n    expect: []\n`);
    const told = await play(step);
    expect(told.problems.map((text) => text.replace(/^.*\/s.yaml/, 's.yaml'))).toStrictEqual([
      's.yaml:18: step 1: one: openat /srv/c returned ENOENT; where that is meant, write "expect: ENOENT".',
    ]);
  });

  it('is loaded by the name of its scenario and its own, of a file or one that ships', () => {
    const path = write(`${BASE}but:\n  - {name: v, without: first, expect: []}\n`);
    expect(loadScenario(`${path}/v`).scenario?.name).toBe('s/v');
    expect(loadScenario(`${path}/w`).diagnostics.map(({ message }) => message)).toStrictEqual([
      '"s" has no variant "w"; expected one of v; did you mean "v"?',
    ]);
    expect(loadScenario('quiet-day/v').diagnostics.map(({ message }) => message)).toStrictEqual([
      '"quiet-day" has no variant "v"; expected "quiet-day" alone, which has no variants.',
    ]);
    expect(loadScenario('terminal-shell-in-container/no-shell').scenario?.name).toBe(
      'terminal-shell-in-container/no-shell',
    );
  });
});

describe('mistakes in variants', () => {
  it('are all told, each at its place', () => {
    const text = `  - {name: a, step: frist, change: {openat: /x}, expect: []}
  - {name: a, without: first, expect: []}
  - {name: b, step: first, without: second, change: {openat: /x}, expect: []}
  - {name: c, expect: []}
  - {name: d, step: first, expect: []}
  - {name: e, without: first, change: {uid: 0}, expect: []}
  - {name: f, without: first, before: second, expect: []}
  - {name: g, process: on, change: {uid: 0}, expect: []}
  - {name: h, container: shp, change: {privileged: true}, expect: []}
  - {name: i, of: jj, without: first, expect: []}
  - {name: j, of: k, without: first, expect: []}
  - {name: k, of: l, without: first, expect: []}
  - {name: l, of: k, without: first, expect: []}
  - {name: m, without: first}
  - {name: n, withot: first, expect: []}
  - {name: o, step: second, change: {openat: {path: /srv/b, mdoe: "0644"}}, expect: []}
  - {name: p, process: one, change: {uid: root}, expect: []}
  - {name: q, add: {opnat: /x}, expect: []}
  - {name: r, add: {wait: 1s}, before: fourth, expect: []}
  - {name: s, of: first, without: [second, second], expect: A rule}
`;
    expect(messages(text)).toStrictEqual([
      's.yaml:16:21: error[unknown-step]: No step has the id "frist"; did you mean "first"?\n  in but[0].step\n  expected one of first, second, third',
      's.yaml:17:12: error[duplicate-variant]: The variant "a" is already there, from line 16; give one of them another name.\n  in but[1]',
      's.yaml:18:28: error[not-one-change]: but[2] changes step and without; a variant changes one thing: make one of each, and build one on the other with "of".\n  expected one of step, without, add, process, file, container',
      's.yaml:19:5: error[not-one-change]: but[3] changes nothing; a variant changes one thing.\n  expected one of step, without, add, process, file, container',
      's.yaml:20:5: error[change-misplaced]: but[4] lacks "change": what of the step is other.',
      's.yaml:21:31: error[change-misplaced]: but[5] has "change" beside "without", which says it all; leave it out.\n  expected no "change" beside "without"',
      's.yaml:22:31: error[unknown-key]: but[6] has no key "before".\n  expected it beside "add" only',
      's.yaml:23:24: error[not-in-host]: The host has no process "on"; did you mean "one"?\n  in but[7].process\n  expected one of one',
      's.yaml:24:26: error[not-in-host]: The host has no container "shp"; did you mean "shop"?\n  in but[8].container\n  expected one of shop',
      's.yaml:25:19: error[unknown-variant]: There is no variant "jj" to build on; did you mean "j"?\n  in but[9].of\n  expected one of a, g, h, j, k, l, o, p, q, r',
      's.yaml:28:19: error[variants-in-circle]: The variants build on one another in a circle: k, l, k.\n  in but[12].of\n  expected one that builds on none of them',
      's.yaml:29:5: error[missing-key]: but[13] lacks the key "expect"; expected a list of the rules that it raises such as [Password file read]; [] for none.\n  in but[13].expect',
      's.yaml:30:15: error[unknown-key]: but[14] has no key "withot"; did you mean "without"?\n  in but[14].withot\n  expected one of name, description, of, step, process, file, container, change, without, add, before, expect, enforced',
      's.yaml:31:61: error[unknown-key]: steps[1].openat has no key "mdoe"; did you mean "mode"?\n  in steps[1].openat.mdoe\n  expected one of dirfd, path, flags, mode, by, as, abi, via, expect, expect_errno, id, note',
      's.yaml:32:43: error[wrong-type]: host.processes[0].uid is "root"; expected a user\'s number.',
      's.yaml:33:21: error[unknown-call]: There is no call "opnat"; did you mean "openat"?\n  in steps[4].opnat\n  expected a call such as exec, openat or connect',
      's.yaml:34:40: error[unknown-step]: No step has the id "fourth".\n  in but[18].before\n  expected one of first, second, third',
      's.yaml:35:61: error[wrong-type]: but[19].expect is "A rule"; expected a list of the rules that it raises such as [Password file read]; [] for none.',
    ]);
  });

  it('two steps have the same id; a process is in a container that is not there', () => {
    const path = write(`name: s
host:
  processes: [{name: p, container: shop}]
steps:
  - {id: a, wait: 1s}
  - {id: a, wait: 1s}
`);
    const found = loadScenario(path).diagnostics;
    expect(found.map((each) => formatDiagnostic({ ...each, file: 's.yaml' }, { colour: false }))).toStrictEqual([
      's.yaml:3:36: error[not-in-host]: The host has no container "shop".\n  in host.processes[0].container\n  expected host.containers with that name',
      's.yaml:6:10: error[duplicate-step]: The id "a" is already that of the step in line 5; give one of them another id.\n  in steps[1].id\n  expected another name',
    ]);
  });
});
