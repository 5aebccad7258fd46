// Writes docs/fields.md from the field catalogue and the table of event types, as dist/ has them (`npm run docs`).
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** What Field.on means, in words. */
const EVENTS = {
  all: 'all',
  syscall: 'system calls',
  fd: 'with a file descriptor',
  open: 'open, openat, openat2, creat',
  path: 'with a path',
  'two paths': 'with a target path',
  socket: 'with a socket address',
  exec: 'execve, execveat',
};

const ARGUMENTS = { none: '', 'optional-index': '[n]', index: '[n]', name: '[name]', key: '[key]' };

/** What an argument's kind is as `evt.arg` prints it. */
const KINDS = [
  ['fd, dirfd, pid, uid, gid, int', 'decimal, 32 bits, signed'],
  ['size', 'decimal, 64 bits, signed'],
  ['request, family, bpfcommand', '`PTRACE_ATTACH`, `AF_PACKET`, `BPF_PROG_LOAD`; in decimal where it has no name'],
  ['pointer', '`0x7ffc12345678`; what it points to is not read'],
  ['openflags', '`O_WRONLY\\|O_CREAT`'],
  ['mode', '`S_ISUID\\|S_IRUSR`; 0 where no bit is set'],
  ['signal', '`SIGKILL`'],
  ['path, source, target', 'the path as the caller passed it, made absolute'],
  ['sockaddr', '`client:port->server:port`'],
  ['text', 'the text as the caller passed it, at most 255 bytes; unknown where it is longer'],
];

const row = (cells) => `| ${cells.join(' | ')} |`;
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)];
const cell = (text) => text.replaceAll('|', '\\|');

const WIDTH = 130;

/** Words in lines of at most WIDTH characters. */
const wrapped = (words) =>
  words
    .reduce(
      ([line, ...lines], word) =>
        line !== '' && line.length + word.length >= WIDTH
          ? [word, line, ...lines]
          : [`${line} ${word}`.trim(), ...lines],
      [''],
    )
    .reverse();

/** How far a field's values can be trusted: after the call, and at LSM hooks where that differs. */
const trustOf = (field, { EVENT_TYPES, truthByType, expectedTrust, UNKNOWN }) => {
  const names = field.argument === 'name' ? ['pid', 'path', 'addr'] : [undefined];
  const at = (hook) => {
    const found = new Set();
    for (const event of EVENT_TYPES.values()) {
      const predicate = { kind: 'predicate', field: { name: field.name }, operator: 'exists', constants: [] };
      if (field.name !== 'evt.type' && truthByType(predicate, event) !== UNKNOWN) continue;
      for (const argument of names) {
        for (const trust of expectedTrust({ name: field.name, argument }, { hook, event })) found.add(trust);
      }
    }
    return ['resolved', 'contestable', 'as passed', 'unknown'].filter((trust) => found.has(trust)).join(' or ');
  };
  const [after, before] = [at('tp_btf/sys_exit'), at('lsm/file_open')];
  return after === before || field.argument === 'name' ? after : `${after}; ${before} at LSM hooks`;
};

/** The hooks, by their short names, with the event types that are seen there. */
const HOOKS = [
  ['tp_btf/sys_exit', 'sys_exit', ({ type, nr }) => nr >= 0 && type !== 'exit'],
  ['tp_btf/sched_process_exec', 'exec', ({ type }) => type === 'execve'],
  ['tp_btf/sched_process_exit', 'exit', ({ type }) => type === 'procexit'],
  ['tp_btf/io_uring_submit_req', 'io_uring', ({ type }, { requestTypeOf }) => requestTypeOf(type) !== undefined],
  ['lsm/file_open', 'file_open', ({ type }) => type === 'openat'],
  ['lsm/bprm_check_security', 'bprm', ({ type }) => type === 'execve'],
  ['lsm/socket_connect', 'connect', ({ type }) => type === 'connect'],
];

/** What only the call itself has: not at the other hooks. */
const OF_THE_CALL = /^(evt\.(arg|rawarg|args|info|abspath|is_open_exec)|fs\.path\.\w+|fd\.nameraw)$/;

/** The hooks at which some event can have a value of the field. */
const hooksOf = (field, language) => {
  const argument = field.argument === 'name' ? 'fd' : undefined;
  const exists = (event) =>
    language.truthByType(
      { kind: 'predicate', field: { name: field.name }, operator: 'exists', constants: [] },
      event,
    ) === language.UNKNOWN;
  const found = HOOKS.filter(([hook, , seen]) => {
    if ((hook.startsWith('lsm/') || hook.endsWith('_exec')) && OF_THE_CALL.test(field.name)) return false;
    if (hook.startsWith('lsm/') && field.result) return false;
    return [...language.EVENT_TYPES.values()].some(
      (event) =>
        seen(event, language) &&
        (field.name === 'evt.type' || exists(event)) &&
        language.expectedTrust({ name: field.name, argument }, { hook, event }).some((trust) => trust !== 'unknown'),
    );
  });
  return found.length === HOOKS.length
    ? 'all'
    : found.length === 0
      ? 'none'
      : found.map(([, short]) => short).join(' ');
};

const fieldRow = (field, language) => [
  `\`${field.name}${ARGUMENTS[field.argument]}\``,
  field.type,
  EVENTS[field.on] + (field.result ? '; not before the effect' : ''),
  hooksOf(field, language),
  field.place,
  field.rate,
  trustOf(field, language),
  cell(field.meaning),
];

const numberOf = (number) => (number < 0 ? '' : String(number));

const eventRow = (event) => [
  `\`${event.type}\``,
  numberOf(event.nr),
  numberOf(event.nr32),
  event.arguments.map(({ name, kind }) => `\`${name}\` ${kind}`).join(', '),
  event.fd === undefined ? '' : event.fd === 'result' ? 'the result' : `\`${event.arguments[event.fd].name}\``,
];

/** The document's text; `language` has FIELDS, EVENT_TYPES, REFUSED_FIELDS, requestTypeOf, truthByType, expectedTrust, and UNKNOWN, the truth of that name. */
export const fieldsDocument = (language) => {
  const events = [...language.EVENT_TYPES.values()];
  const bare = events.filter((event) => event.arguments.length === 0);
  return [
    '<!-- Generated by scripts/make-fields-doc.mjs from rules/language/fields.ts and syscalls.ts: `npm run docs`. Do not edit. -->',
    '# Fields and event types',
    '',
    'What a condition and an output template may name. [policies.md](policies.md) explains the words.',
    '',
    "- **evaluated**: `kernel` predicates are decided in the hook's program where its hook allows it (`shrike explain` shows where",
    '  it does); `user` predicates are checked after the kernel part matched, and no rule that denies or kills may use them.',
    '- **rate**: how often the value can change. Predicates about `process` facts as of exec are evaluated at exec, once; all others at the event.',
    '- **trust**: how far a value can be trusted where it is present. Any value can also be unknown: unreadable memory, a path too long.',
    '',
    '## Fields',
    '',
    ...table(
      ['field', 'type', 'events', 'hooks', 'evaluated', 'rate', 'trust', 'meaning'],
      language.FIELDS.map((field) => fieldRow(field, language)),
    ),
    '',
    '`[n]` is the nth ancestor, `[1]` the parent. Without it a comparison is true if it is for any ancestor, also `!=`: to say that no',
    'ancestor is sshd, write `not proc.aname = sshd`. `fd.ip`, `fd.net` and `fd.port` hold both ends: `!=` is true if both differ, every',
    'other comparison if it is for either end.',
    '',
    "What containers and pods are comes from the container's runtime ([live.md](live.md#containers)); until it has answered, the fields are",
    'unknown and alerts that need them wait ([alerts.md](alerts.md#waiting-for-a-containers-runtime)). Outside of containers `container.id`,',
    '`container.full_id`, `container.name` and `container.type` are `host`, all others absent; `k8s.*` is absent outside of pods. `[key]` is the key of',
    'a label, or a mount: its number from 0, or a glob. Names of users and groups are those of the host; an id without one is `<NA>`.',
    '[policies.md](policies.md#facts-that-the-kernel-is-told) says how the kernel decides by them.',
    '',
    '## Fields of Falco that there will not be',
    '',
    ...table(
      ['fields', 'why'],
      [...new Set(language.REFUSED_FIELDS.values())].map((reason) => [
        [...language.REFUSED_FIELDS].flatMap(([name, its]) => (its === reason ? [`\`${name}\``] : [])).join(', '),
        cell(`${reason[0].toUpperCase()}${reason.slice(1)}.`),
      ]),
    ),
    '',
    '## Arguments',
    '',
    '`evt.arg.NAME` (or `evt.arg[NAME]`) is an argument as text, by its kind:',
    '',
    ...table(['kind', 'text'], KINDS),
    '',
    '## Event types',
    '',
    'System calls by their x86-64 names, and `procexit`, the end of a process. Calls of the ia32 table (`int 0x80`, 32-bit programs) are',
    'the same event types. The descriptor is what `fd.*` fields are about.',
    '',
    ...table(
      ['event type', 'x86-64', 'ia32', 'arguments', 'descriptor'],
      events.filter((event) => event.arguments.length > 0).map(eventRow),
    ),
    '',
    'System calls without arguments that a field reads yet:',
    '',
    ...wrapped(bare.map((event) => `\`${event.type}\``)),
    '',
  ].join('\n');
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { FIELDS, EVENT_TYPES, REFUSED_FIELDS, requestTypeOf, Truth, truthByType } = await import(
    '../dist/rules/index.js'
  );
  const { expectedTrust } = await import('../dist/sensors/index.js');
  const language = { FIELDS, EVENT_TYPES, REFUSED_FIELDS, requestTypeOf, truthByType, expectedTrust };
  const text = fieldsDocument({ ...language, UNKNOWN: Truth.UNKNOWN });
  writeFileSync(fileURLToPath(new URL('../docs/fields.md', import.meta.url)), text);
}
