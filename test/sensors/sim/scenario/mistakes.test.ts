import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatDiagnostic, loadPolicyText } from '../../../../policies/index.ts';
import { listScenarios, loadScenario, loadTestScenario } from '../../../../sensors/index.ts';
import { temporaryFolder } from '../../../support/folder.ts';
import { readInline } from './play.ts';

/** The messages of a scenario file, with `s.yaml` for its path. */
const messages = (text: string): readonly string[] => {
  const path = join(temporaryFolder(), 's.yaml');
  writeFileSync(path, text);
  return loadScenario(path).diagnostics.map((found) =>
    formatDiagnostic({ ...found, file: 's.yaml' }, { colour: false }),
  );
};

const scenario = (rest: string): string => `name: s\n${rest}`;

describe('mistakes in a scenario file', () => {
  it('are all told in one run, each at its place with what was expected and the nearest name', () => {
    const text = `name: a b
descripton: x
host:
  files:
    etc/motd: hello
    /etc/issue: {content: hi, mdoe: "0644"}
    /etc/hosts: {content: hi, mode: 644}
  processes:
    - {name: nginx, uid: root}
    - {name: worker, parent: ngnix}
    - {name: nginx}
  remotes: ["203.0.113.5"]
  incoming:
    - {from: "198.51.100.7:50000", port: 80}
steps:
  - {opnat: /etc/passwd}
  - {openat: /etc/passwd, flags: O_RDNLY}
  - {openat: /etc/passwd, mod: "0644"}
  - {openat: /etc/passwd, by: worke}
  - {connect: "203.0.113.5:99999"}
  - {rename: [/a, /b, /c]}
  - {chmod: [/tmp/x, 755]}
  - {kill: [nginx, SIGKIL]}
  - {openat: /etc/shadow, expect: EACESS}
  - {dup2: [sockt, 0]}
  - {by: bash}
  - {read: file, write: x}
  - exec
  - 7
  - {mount: [/dev/sdb1]}
  - {wait: soon}
  - {newfstatat: /etc/passwd, abi: ia32}
  - {exec: {argv: [ls], uid: 33}, uid: 34}
`;
    expect(messages(text)).toStrictEqual([
      's.yaml:1:7: error[wrong-value]: name is "a b"; expected a name of letters, digits and . _ -.',
      's.yaml:2:1: error[unknown-key]: The document has no key "descripton"; did you mean "description"?\n  expected one of name, description, host, steps, expect, enforcement, enforced, but',
      's.yaml:5:5: error[wrong-value]: The path "etc/motd" is relative; expected an absolute one such as "/etc/motd".\n  in host.files["etc/motd"]',
      's.yaml:6:31: error[unknown-key]: host.files["/etc/issue"] has no key "mdoe"; did you mean "mode"?\n  in host.files["/etc/issue"].mdoe\n  expected one of content, mode, uid, gid, layer',
      's.yaml:7:37: error[wrong-value]: host.files["/etc/hosts"].mode is the number 644; expected octal digits in quotes such as "0644".',
      's.yaml:9:26: error[wrong-type]: host.processes[0].uid is "root"; expected a user\'s number.',
      's.yaml:10:30: error[unknown-process]: No process is called "ngnix" here; did you mean "nginx"?\n  in host.processes[1].parent\n  expected one of systemd, nginx',
      's.yaml:11:14: error[duplicate-process]: The process "nginx" is already there, from line 9; give one of them another name.\n  in host.processes[2].name',
      's.yaml:12:13: error[wrong-type]: host.remotes[0] is "203.0.113.5"; expected an address and a port such as "203.0.113.5:4444", or a mapping with address and reply.',
      's.yaml:14:7: error[nobody-listens]: Nobody listens on port 80; give a process "listen: [0.0.0.0:80]".\n  in host.incoming[0].port\n  expected a process that listens there',
      's.yaml:16:6: error[unknown-call]: There is no call "opnat"; did you mean "openat"?\n  in steps[0].opnat\n  expected a call such as exec, openat or connect',
      's.yaml:17:34: error[wrong-value]: steps[1].flags is "O_RDNLY"; expected flags such as O_RDONLY or [O_WRONLY, O_CREAT]; did you mean "O_RDONLY"?',
      's.yaml:18:27: error[unknown-key]: steps[2] has no key "mod"; did you mean "mode"?\n  in steps[2].mod\n  expected one of dirfd, path, flags, mode, by, as, abi, via, expect, expect_errno, id, note',
      's.yaml:19:31: error[unknown-process]: No process is called "worke" here; did you mean "worker"?\n  in steps[3].by\n  expected one of systemd, sshd, bash, nginx, worker',
      's.yaml:20:15: error[wrong-value]: steps[4].connect is "203.0.113.5:99999"; expected an address and a port such as "203.0.113.5:4444", or the path of a socket.',
      's.yaml:21:23: error[too-many-arguments]: steps[5].rename has 3 arguments; expected at most 2: oldpath, newpath.',
      's.yaml:22:22: error[wrong-value]: steps[6].chmod[1] is the number 755; expected octal digits in quotes such as "0644".',
      's.yaml:23:20: error[wrong-value]: steps[7].kill[1] is "SIGKIL"; expected a signal such as SIGKILL or 9; did you mean "SIGKILL"?',
      's.yaml:24:35: error[wrong-value]: steps[8].expect is "EACESS"; expected a result such as 0, an errno such as EACCES, or a comparison such as ">= 0"; did you mean "EACCES"?',
      's.yaml:25:13: error[unknown-descriptor]: No step before opened "sockt"; did you mean "socket"?\n  in steps[9].dup2[0]\n  expected one of file, socket, listener, memfd, last, stdin, stdout, stderr, pipe.read, pipe.write, /etc/passwd, /etc/shadow',
      's.yaml:26:5: error[no-call]: steps[10] says nothing to do; expected a call such as exec, openat or connect.',
      's.yaml:27:18: error[several-calls]: steps[11] has the calls read and write; make a step of each.\n  expected one call a step',
      's.yaml:28:5: error[missing-key]: steps[12].exec lacks "argv"; expected a list such as [cat, /etc/shadow], or a path.',
      's.yaml:29:5: error[wrong-value]: steps[13] is the number 7; expected a step such as {openat: /etc/shadow, by: cat}.',
      's.yaml:30:13: error[missing-key]: steps[14].mount lacks "target"; expected a path such as /etc/shadow.',
      's.yaml:31:12: error[wrong-value]: steps[15].wait is "soon"; expected a time such as 1.5s or 200ms.',
      's.yaml:32:6: error[not-in-ia32]: The table of 32-bit calls has no newfstatat; expected another call, or abi: x86-64.\n  in steps[16].newfstatat',
      's.yaml:33:35: error[key-twice]: steps[17] has "uid" twice; leave one of them out.\n  in steps[17].uid\n  expected it once',
    ]);
  });

  it.each([
    [
      '',
      's.yaml:1:1: error[empty-file]: There is nothing in this file; expected a scenario: a mapping with name and steps.',
    ],
    [
      'hello\n',
      's.yaml:1:1: error[not-a-scenario]: Expected a scenario: a mapping with name and steps, but found "hello".',
    ],
    [
      'name: s\n',
      's.yaml:1:1: error[missing-key]: The document lacks the key "steps"; expected a list of steps such as [{exec: [cat, /etc/shadow]}, {openat: /etc/shadow, by: cat}].',
    ],
    [
      'name: s\nsteps: []\n',
      's.yaml:2:8: error[wrong-value]: steps is an empty list; expected a list of steps such as [{exec: [cat, /etc/shadow]}, {openat: /etc/shadow, by: cat}].',
    ],
    [
      'name: s\nsteps: [{exec: "x]\n',
      's.yaml:2:16: error[yaml-syntax]: This is not valid YAML: a text in " is never closed.',
    ],
    [
      'name: &n s\ndescription: *n\nsteps: [{exec: [ls]}]\n',
      's.yaml:2:14: error[alias-not-allowed]: The YAML alias "*n" is not allowed in a scenario; write the value out.',
    ],
    [
      'name: s\nsteps: [{exec: [ls]}]\n---\nname: t\nsteps: [{exec: [ls]}]\n',
      's.yaml:4:1: error[several-documents]: This file holds several YAML documents; expected one scenario a file.',
    ],
  ])('%j', (text, expected) => {
    expect(messages(text)).toStrictEqual([expected]);
  });

  it('leave nothing to play', () => {
    const path = join(temporaryFolder(), 's.yaml');
    writeFileSync(path, scenario('steps: [{exec: [ls]}, {opnat: /x}]\n'));
    expect(loadScenario(path).scenario).toBeUndefined();
  });
});

describe('a scenario that is not there', () => {
  it('lists those there are, and the nearest', () => {
    expect(loadScenario('webshel').diagnostics).toStrictEqual([
      {
        severity: 'error',
        code: 'unknown-scenario',
        file: 'webshel',
        line: 1,
        column: 1,
        expected: `one of ${[...listScenarios(), ...listScenarios('enforcement')]
          .map(({ name }) => name)
          .join(', ')}, or a file's path such as ./webshel.yaml`,
        nearest: 'webshell',
        message:
          'There is no scenario "webshel"; expected one of container-escape, cryptominer, lateral-movement, log-wiping, quiet-day, supply-chain, webshell, enforcement-switch, kill-budget, respawn-backoff, time-to-live, or a file\'s path such as ./webshel.yaml; did you mean "webshell"?',
      },
    ]);
  });

  it('in a file says why the file could not be read', () => {
    const path = join(temporaryFolder(), 'none.yaml');
    expect(loadScenario(path).diagnostics.map(({ message }) => message)).toStrictEqual([
      `"${path}" could not be read: ENOENT.`,
    ]);
  });
});

describe("a policy test's inline scenario", () => {
  const policy = (inline: string): string => `apiVersion: shrike/v1
kind: Policy
metadata: {name: p}
spec:
  scope: {cgroup: /system.slice}
  rules:
    - {rule: R, condition: evt.type = openat, priority: notice, output: x}
  tests:
    - name: t
      scenario:
        inline: ${inline}
      expect: []
`;
  const test = (inline: string) => {
    const [found] = loadPolicyText('p.yaml', policy(inline)).policies.flatMap(({ tests }) => tests);
    if (found === undefined) throw new Error('the policy has no test');
    return loadTestScenario(found);
  };

  it.each([
    ['[{exec: [cat]}, {opnat: /x}]', 'p.yaml:11:34: There is no call "opnat"; did you mean "openat"?'],
    [
      '{steps: [{exec: [cat]}, {unlink: 7}]}',
      'p.yaml:11:50: steps[1].unlink is the number 7; expected a path such as /etc/shadow.',
    ],
    [
      '{files: [], steps: [{exec: [cat]}]}',
      'p.yaml:11:25: files is an empty list; expected a mapping from paths to contents.',
    ],
    ['{host: {}, steps: [{exec: [cat]}]}', 'p.yaml:11:18: The document has no key "host".'],
    ['cat', 'p.yaml:11:17: Expected a list of steps, or a mapping with steps, but found "cat".'],
  ])('%s has its mistakes at their places in the policy', (inline, expected) => {
    const { diagnostics } = test(inline);
    expect(diagnostics.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`)).toStrictEqual(
      [expected],
    );
  });

  it('happens within the scope of the policy', () => {
    expect(test('[{exec: [cat]}]').scenario).toMatchObject({ cgroup: '/system.slice' });
  });
});

describe('what a step may name', () => {
  it.each([
    [[{ read: '/etc/passwd' }], 'No step before opened "/etc/passwd".'],
    [
      [
        { exec: ['x'], as: 'y' },
        { close: 3, by: 'x' },
      ],
      'No process is called "x" here; did you mean "y"?',
    ],
    [[{ memfd_create: 'a' }, { read: 'b' }], 'No step before opened "b"; did you mean "a"?'],
  ])('%j', (steps, expected) => {
    expect(readInline(steps).diagnostics.map(({ message }) => message)).toStrictEqual([expected]);
  });
});
