import { describe, expect, it } from 'vitest';
import { numberOf } from '../../../sensors/replay/numbers.ts';
import { ScanError, scanCall, scanStraceValue } from '../../../sensors/replay/scan.ts';
import { memberOf, type StraceValue, textOf } from '../../../sensors/replay/value.ts';

/** A value as plain data: strings, bigints, objects and arrays. */
const plain = (value: StraceValue): unknown => {
  switch (value.kind) {
    case 'number':
      return value.decoration === undefined ? value.value : [value.value, value.decoration];
    case 'constant':
      return value.decoration === undefined ? value.name : [value.name, value.decoration];
    case 'string':
      return `"${textOf(value)}"${value.truncated ? '...' : ''}`;
    case 'operation':
      return [plain(value.left), value.operator, plain(value.right)];
    case 'complement':
      return ['~', plain(value.of)];
    case 'macro':
      return [`${value.name}()`, ...value.arguments.map((argument) => plain(argument.value))];
    case 'struct':
      return {
        ...Object.fromEntries(value.members.map((member, at) => [member.name ?? String(at), plain(member.value)])),
        ...(value.truncated ? { '...': true } : {}),
      };
    case 'array':
      return value.truncated ? [...value.items.map(plain), '...'] : value.items.map(plain);
    case 'change':
      return { before: plain(value.before), after: plain(value.after) };
    case 'unavailable':
      return '?';
  }
};

describe('values', () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['3', 3n],
    ['-1', -1n],
    ['0x7f8ced67e000', 0x7f8ced67e000n],
    ['0666', 0o666n],
    ['00000000', 0n],
    ['NULL', 'NULL'],
    ['"/etc/passwd"', '"/etc/passwd"'],
    ['"root::0:0:System Administrator:/"...', '"root::0:0:System Administrator:/"...'],
    ['"a\\tb\\n\\"\\\\\\0\\33[0m\\303\\251\\x41"', '"a\tb\n"\\\0\x1b[0mé' + 'A"'],
    ['"caf\u00e9"', '"caf\u00e9"'],
    ['3</etc/passwd>', [3n, '/etc/passwd']],
    ['0</dev/null<char 1:3>>', [0n, '/dev/null<char 1:3>']],
    ['3<TCP:[127.0.0.1:52714->127.0.0.1:4444]>', [3n, 'TCP:[127.0.0.1:52714->127.0.0.1:4444]']],
    ['4<UNIX-STREAM:[9913->9914, "/run/a>b.sock"]>', [4n, 'UNIX-STREAM:[9913->9914, "/run/a>b.sock"]']],
    ['3</memfd:kthread>(deleted)', [3n, '/memfd:kthread (deleted)']],
    ['AT_FDCWD</root>', ['AT_FDCWD', '/root']],
    ['O_WRONLY|O_APPEND|O_CREAT', [['O_WRONLY', '|', 'O_APPEND'], '|', 'O_CREAT']],
    ['8192*1024', [8192n, '*', 1024n]],
    ['~(PROT_READ|PROT_WRITE)', ['~', ['PROT_READ', '|', 'PROT_WRITE']]],
    ['[CHLD TTOU]', ['CHLD', 'TTOU']],
    ['~[RTMIN RT_1]', ['~', ['RTMIN', 'RT_1']]],
    ['~[]', ['~', []]],
    ['[100, 0]', [100n, 0n]],
    ['["ls", "-l", ...]', ['"ls"', '"-l"', '...']],
    ['[128 => 16]', [{ before: 128n, after: 16n }]],
    [
      '{sa_family=AF_INET, sin_port=htons(4444), sin_addr=inet_addr("127.0.0.1")}',
      { sa_family: 'AF_INET', sin_port: ['htons()', 4444n], sin_addr: ['inet_addr()', '"127.0.0.1"'] },
    ],
    [
      '{sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}',
      {
        sa_family: 'AF_INET6',
        sin6_port: ['htons()', 80n],
        sin6_flowinfo: ['htonl()', 0n],
        '3': ['inet_pton()', 'AF_INET6', '"::1"', 'sin6_addr'],
        sin6_scope_id: 0n,
      },
    ],
    ['{sa_family=AF_UNIX, sun_path=@"abstract"}', { sa_family: 'AF_UNIX', sun_path: '"\0abstract"' }],
    [
      '{st_mode=S_IFCHR|0666, st_rdev=makedev(0x1, 0x3), ...}',
      { st_mode: ['S_IFCHR', '|', 0o666n], st_rdev: ['makedev()', 1n, 3n], '...': true },
    ],
    [
      '[{WIFEXITED(s) && WEXITSTATUS(s) == 0}]',
      [{ '0': [['WIFEXITED()', 's'], '&&', [['WEXITSTATUS()', 's'], '==', 0n]] }],
    ],
    [
      '{B38400 opost isig icanon echo ...}',
      { '0': 'B38400', '1': 'opost', '2': 'isig', '3': 'icanon', '4': 'echo', '...': true },
    ],
    ['{c_iflag=ICRNL|IXON, c_cc[VMIN]=1, ...}', { c_iflag: ['ICRNL', '|', 'IXON'], 'c_cc[VMIN]': 1n, '...': true }],
    [
      '{flags=CLONE_VM|CLONE_VFORK, exit_signal=SIGCHLD} => {parent_tid=[66]}',
      {
        before: { flags: ['CLONE_VM', '|', 'CLONE_VFORK'], exit_signal: 'SIGCHLD' },
        after: { parent_tid: [66n] },
      },
    ],
    ['BTRFS_IOC_CLONE or FICLONE', ['BTRFS_IOC_CLONE', 'or', 'FICLONE']],
    ['0x7ffc3aa55970 /* 4 vars */', 0x7ffc3aa55970n],
    ['0x40 /* O_??? */', 0x40n],
    ['|0x800', 0x800n],
    ['???', '?'],
  ];
  it.each(cases)('%s', (text, expected) => {
    expect(plain(scanStraceValue(text))).toEqual(expected);
  });

  const numbers: readonly (readonly [string, bigint | undefined])[] = [
    ['O_RDWR|O_CREAT|O_TRUNC|O_CLOEXEC', 0x80242n],
    ['AT_FDCWD', -100n],
    ['S_IFREG|S_ISUID|0755', 0o104755n],
    ['CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD', 0x1200011n],
    ['PTRACE_ATTACH', 16n],
    ['PTRACE_SEIZE', 0x4206n],
    ['SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK', 0x80801n],
    ['MS_RDONLY|MS_BIND|MS_REC', 0x5001n],
    ['1<<3|1<<5', 0b101000n],
    ['htons(443)', 443n],
    ['makedev(0x1, 0x3)', 0x103n],
    ['BTRFS_IOC_CLONE or FICLONE', 0x40049409n],
    ['SIGRT_1', 33n],
    ['NO_SUCH_NAME', undefined],
    ['O_RDWR|NO_SUCH_NAME', undefined],
  ];
  it.each(numbers)('%s as a number', (text, expected) => {
    expect(numberOf(scanStraceValue(text))).toBe(expected);
  });
});

describe('calls', () => {
  it('takes a descriptor with its file', () => {
    const call = scanCall('openat(AT_FDCWD</root>, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3</etc/ld.so.cache>');
    expect(call.name).toBe('openat');
    expect(call.arguments.map((argument) => plain(argument.value))).toEqual([
      ['AT_FDCWD', '/root'],
      '"/etc/ld.so.cache"',
      ['O_RDONLY', '|', 'O_CLOEXEC'],
    ]);
    expect(call.result).toEqual({ value: 3n, errno: undefined, decoration: '/etc/ld.so.cache', note: undefined });
  });

  const results: readonly (readonly [string, object])[] = [
    [
      'open("/foo/bar", O_RDONLY) = -1 ENOENT (No such file or directory)',
      { value: -1n, errno: 'ENOENT', note: 'No such file or directory' },
    ],
    [
      'read(0, 0x7ffff72cf5cf, 1)              = ? ERESTARTSYS (To be restarted)',
      { value: undefined, errno: 'ERESTARTSYS', note: 'To be restarted' },
    ],
    ['exit_group(0)                           = ?', { value: undefined, errno: undefined }],
    ['select(4, [3], NULL, NULL, NULL)      = 1 (in [3])', { value: 1n, note: 'in [3]' }],
    [
      'fcntl(1, F_GETFL)                       = 0x8402 (flags O_RDWR|O_APPEND|O_LARGEFILE)',
      { value: 0x8402n, note: 'flags O_RDWR|O_APPEND|O_LARGEFILE' },
    ],
    ['umask(022)                              = 0002', { value: 2n }],
    ['brk(NULL)                               = 0x561eccba5000', { value: 0x561eccba5000n }],
    ['getppid()                               = 1 <0.000012>', { value: 1n }],
    ['openat(AT_FDCWD, "x", O_RDONLY) = 3</tmp/x> <0.000020>', { value: 3n, decoration: '/tmp/x' }],
    [
      'unlink("x") = -1 ENOSPC (No space left on device) (INJECTED)',
      { value: -1n, errno: 'ENOSPC', note: 'No space left on device' },
    ],
    ['restart_syscall(<... resuming interrupted nanosleep ...>) = 0', { value: 0n }],
    ['rseq(0x7f, 0x20, 0, 0x53053053) = -1 (errno 599)', { value: -1n, errno: '(errno 599)' }],
  ];
  it.each(results)('%s', (text, expected) => {
    expect(scanCall(text).result).toMatchObject(expected);
  });

  it('finds the members of a message', () => {
    const call = scanCall(
      'sendmsg(4, {msg_name={sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}, msg_namelen=12, msg_iov=[{iov_base="\\24\\0\\0\\0"..., iov_len=20}], msg_iovlen=1, msg_controllen=0, msg_flags=0}, MSG_NOSIGNAL) = 20',
    );
    const message = call.arguments[1]?.value;
    expect(numberOf(memberOf(message, 'msg_namelen'))).toBe(12n);
    expect(call.result.value).toBe(20n);
  });

  const errors: readonly (readonly [string, string, number])[] = [
    ['openat(AT_FDCWD, "/etc/pass', 'a string that ends in a quotation mark', 18],
    ['openat(AT_FDCWD, "/etc/passwd"', 'a comma or )', 31],
    ['close(3)', '= and the result of the call', 9],
    ['close(3) = three', 'the result: a number or ?', 12],
    ['close(3 4) = 0', 'a comma or )', 9],
    ['write(1, "\\q", 1) = 1', 'an escape of C: \\n, \\", \\\\, \\0 or \\x00', 12],
    ['read(3</etc/passwd, "", 1) = 0', 'a closing > of the descriptor decoration', 7],
    ['poll([{fd=%}], 1, 0) = 0', 'a value: a number, a string, a constant, a struct or an array', 11],
  ];
  it.each(errors)('refuses %s', (text, message, column) => {
    let error: unknown;
    try {
      scanCall(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ScanError);
    expect([(error as ScanError).message, (error as ScanError).column]).toEqual([message, column]);
  });
});
