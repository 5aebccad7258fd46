import { describe, expect, it } from 'vitest';
import {
  type Condition,
  evaluate,
  type FieldRef,
  type FieldValue,
  parseCondition,
  resolveCondition,
  truthOn,
} from '../../../rules/index.ts';

/** What an event has; fields that are not named are absent. */
type Event = Readonly<Record<string, string | bigint | boolean | readonly string[]>>;

const LISTS: Readonly<Record<string, readonly string[]>> = {
  shells: ['bash', 'sh', '"my shell"'],
  more_shells: ['shells', 'zsh'],
  nothing: [],
};
const MACROS: Readonly<Record<string, string>> = {
  opened: '(evt.type in (open, openat) and fd.num >= 0)',
  by_shell: 'opened and proc.name in (more_shells)',
};

const conditionOf = (text: string): Condition => {
  const { condition, problems } = parseCondition(text);
  const resolved =
    condition &&
    resolveCondition(condition, {
      list: (name) => LISTS[name],
      macro: (name) => (MACROS[name] === undefined ? undefined : parseCondition(MACROS[name]).condition),
      knownLists: () => Object.keys(LISTS),
      knownMacros: () => Object.keys(MACROS),
    });
  const wrong = [...problems, ...(resolved?.problems ?? [])].map(({ message }) => message);
  if (resolved?.condition === undefined || wrong.length > 0) throw new Error(`${text}: ${wrong.join(' ')}`);
  return resolved.condition;
};

const holds = (text: string, event: Event): boolean => {
  const source = ({ name, argument }: FieldRef): FieldValue => {
    const value = event[argument === undefined ? name : `${name}[${argument}]`];
    return value === undefined ? { state: 'absent' } : { state: 'present', value, trust: 'resolved' };
  };
  return evaluate(conditionOf(text), (predicate) => truthOn(predicate, source), 'possible');
};

const EVENT: Event = {
  'evt.type': 'openat',
  'evt.rawres': -13n,
  'evt.failed': true,
  'evt.arg[data]': '\u0001MZ\u0090 payload',
  'evt.arg[flags]': 'O_RDWR|O_CREAT',
  'fd.num': 5n,
  'fd.name': '/etc/passwd',
  'fd.ip': ['10.1.2.3', '8.8.8.8'],
  'fd.net': ['10.1.2.3', '8.8.8.8'],
  'fd.port': ['40000', '443'],
  'fd.sip': '8.8.8.8',
  'proc.name': 'my shell',
  'proc.pname': 'sshd',
  'proc.aname': ['sshd', 'systemd'],
  'proc.aname[2]': 'systemd',
  'proc.cmdline': 'my shell -c "x=1"',
  'user.uid': 0x10n,
  'container.label[app.kubernetes.io/name]': 'web',
};
const V6: Event = { ...EVENT, 'fd.net': ['fd00::1', '2001:db8::1'], 'fd.ip': ['fd00::1', '2001:db8::1'] };

// One row of Falco's language a block, with what each form comes to on the event above.
const ROWS: Readonly<Record<string, readonly (readonly [text: string, expected: boolean, event?: Event])[]>> = {
  'precedence: or binds least, then and, then not': [
    ['proc.name = x and proc.name = y or fd.num = 5', true],
    ['fd.num = 5 or proc.name = x and proc.name = y', true],
    ['(fd.num = 5 or proc.name = x) and proc.name = y', false],
    ['not proc.name = x and fd.num = 4', false],
    ['not (proc.name = x and fd.num = 4)', true],
    ['not(proc.name = x)and(fd.num = 5)or(fd.num = 4)', true],
    [`${'('.repeat(1000)}fd.num = 5${')'.repeat(1000)}`, true],
    [`${'not '.repeat(999)}fd.num = 5`, false],
  ],
  'exists, and comparisons of size with decimal or 0x numbers': [
    ['proc.pname exists', true],
    ['fd.sport exists', false],
    ['user.uid < 17 and user.uid <= 16 and user.uid > 15 and user.uid >= 0x10', true],
    ['user.uid < 0x10', false],
    ['evt.rawres < -12', true],
  ],
  'operators of texts': [
    ['fd.name = /etc/passwd and fd.name == "/etc/passwd" and not fd.name != /etc/passwd', true],
    ['fd.name glob /etc/pass* and fd.name iglob /ETC/P?SSWD', true],
    ['fd.name glob /ETC/*', false],
    ['fd.name contains pass and fd.name icontains PASS and not fd.name contains PASS', true],
    ['evt.arg.data bcontains 4d5a and evt.arg.data bstartswith 014D', true],
    ['evt.arg.data bstartswith 4d5a', false],
    ['fd.name startswith /etc and fd.name endswith wd', true],
    ['fd.name regex "/etc/(passwd|shadow)"', true],
    ['fd.name regex passwd or fd.name regex "/etc"', false],
  ],
  'operators of lists, and modifiers': [
    ['proc.name in (sh, "my shell")', true],
    ['proc.aname intersects (init, systemd)', true],
    ['fd.name pmatch (/usr, /etc)', true],
    ['fd.name pmatch (/etc/pass)', false],
    ['fd.name startswith anyof (/usr, /etc)', true],
    ['fd.name contains allof (etc, pass)', true],
    ['fd.name contains allof (etc, shadow)', false],
    ['fd.name endswith oneof (passwd, shadow)', true],
    ['fd.name endswith oneof (passwd, wd)', false],
    ['proc.name != allof (sh, bash)', true],
    ['proc.name != anyof (sh, "my shell")', true],
    ['proc.name = anyof ()', false],
  ],
  transformers: [
    ['toupper(proc.pname) = SSHD and tolower(fd.name) = /etc/passwd', true],
    ['basename(fd.name) = passwd and len(basename(fd.name)) = 6', true],
    ['b64(proc.name) exists', false],
    ['join(",", proc.aname) = "sshd,systemd"', true],
    ['concat(fd.sip, ":", fd.num) = "8.8.8.8:5"', true],
    ['getopt(proc.cmdline, "c:") exists', false],
    ['proc.pname = val(proc.aname[2])', false],
    ['proc.pname = tolower(val(proc.pname))', true],
  ],
  'identifiers and field arguments': [
    ['proc.aname[2] = systemd and proc.aname["2"] = systemd', true],
    ['evt.arg.flags contains O_CREAT and evt.arg[flags] contains O_CREAT', true],
    ['container.label[app.kubernetes.io/name] = web', true],
    ['container.label["app.kubernetes.io/name"] = web', true],
    ['opened', true],
    ['fd.name in (/etc/passwd,/etc/a-b_c:d*e)', true],
  ],
  'quoting and escapes': [
    ["proc.name = 'my shell'", true],
    [String.raw`proc.cmdline contains "-c \"x=1\""`, true],
    [`proc.cmdline contains '-c "x=1"'`, true],
    [String.raw`proc.name = "my\x20shell" and fd.name = "\/etc\/passwd"`, true],
    [String.raw`proc.name contains "\t" or proc.name contains "\b\f\n\r\\"`, false],
  ],
  'absence: a missing field makes a comparison false, != too': [
    ['proc.exe = x', false],
    ['proc.exe != x', false],
    ['not proc.exe = x', true],
    ['proc.exe in (x) or proc.exe startswith "" or tolower(proc.exe) != x', false],
    ['proc.pname = val(proc.exe) or proc.pname != val(proc.exe)', false],
  ],
  quantifiers: [
    ['fd.ip = 8.8.8.8 and fd.ip = 10.1.2.3', true],
    ['fd.ip != 8.8.8.8', false],
    ['fd.ip != 9.9.9.9', true],
    ['fd.net = 10.0.0.0/8', true],
    ['fd.net != 10.0.0.0/8', false],
    ['fd.net != 11.0.0.0/8', true],
    ['fd.net != 10.0.0.0/8', true, V6],
    ['fd.net = "2001:db8::/32"', true, V6],
    ['fd.port = 443 and not fd.port != 443', true],
    ['fd.port != 80', true],
    ['proc.aname = systemd', true],
    ['proc.aname != systemd', true],
    ['proc.aname != systemd', false, { ...EVENT, 'proc.aname': ['systemd'] }],
  ],
  'regular expressions are anchored at both ends': [
    ['proc.pname regex ssh', false],
    ['proc.pname regex "ssh."', true],
    ['proc.pname regex "^[[:alpha:]]{4}$"', true],
    ['fd.name regex "(/[a-z]+){2}"', true],
  ],
  'lists stand for their values, quoted names do not': [
    ['proc.name in (shells)', true],
    ['proc.name in (more_shells, x)', true],
    ['proc.name in ("shells")', false],
    ['proc.name in (nothing)', false],
  ],
  'macros stand for their conditions': [
    ['by_shell', true],
    ['not by_shell or fd.num = 6', false],
    ['by_shell and not opened', false],
  ],
};

describe.each(Object.entries(ROWS))('%s', (_, cases) => {
  it.each(cases.map(([text, expected, event]) => [text, expected, event ?? EVENT] as const))(
    '%s: %s',
    (text, expected, event) => {
      expect(holds(text, event)).toBe(expected);
    },
  );
});
