import { describe, expect, it } from 'vitest';
import { parseStrace, type RecordedCall } from '../../../sensors/replay/index.ts';
import { readLine } from '../../../sensors/replay/line.ts';

const lines = (...text: string[]): string => `${text.join('\n')}\n`;

const calls = (events: readonly { readonly kind: string }[]): RecordedCall[] =>
  events.filter((event): event is RecordedCall => event.kind === 'call');

describe('prefixes', () => {
  const cases: readonly (readonly [string, number | undefined, object | undefined])[] = [
    ['close(3) = 0', undefined, undefined],
    ['42    close(3) = 0', 42, undefined],
    ['[pid 28772] close(3) = 0', 28772, undefined],
    ['[pid    42] close(3) = 0', 42, undefined],
    ['18:49:09 close(3) = 0', undefined, { kind: 'day', ns: 67_749_000_000_000n }],
    ['18:49:09.000042 close(3) = 0', undefined, { kind: 'day', ns: 67_749_000_042_000n }],
    ['42    1795373349.293249 close(3) = 0', 42, { kind: 'epoch', ns: 1_795_373_349_293_249_000n }],
    ['[pid 28779] 1130322148.939977 close(3) = 0', 28779, { kind: 'epoch', ns: 1_130_322_148_939_977_000n }],
    ['     0.000123 close(3) = 0', undefined, { kind: 'delta', ns: 123_000n }],
    ['42         0.000123 close(3) = 0', 42, { kind: 'delta', ns: 123_000n }],
    ['[ 3] close(3) = 0', undefined, undefined],
    ['[00007f8ced67e0a4] close(3) = 0', undefined, undefined],
  ];
  it.each(cases)('%s', (text, pid, time) => {
    expect(readLine(text)).toEqual({ pid, time, body: { kind: 'call', text: 'close(3) = 0' } });
  });

  const bodies: readonly (readonly [string, object])[] = [
    ['sigsuspend([] <unfinished ...>', { kind: 'unfinished', text: 'sigsuspend([]' }],
    ['--- SIGINT {si_signo=SIGINT, si_code=SI_USER, si_pid=9} ---', { kind: 'signal', signal: 'SIGINT' }],
    ['--- SIGCHLD (Child exited) @ 0 (0) ---', { kind: 'signal', signal: 'SIGCHLD' }],
    ['--- stopped by SIGSTOP ---', { kind: 'remark' }],
    ['+++ killed by SIGINT +++', { kind: 'killed', signal: 'SIGINT' }],
    ['+++ killed by SIGSEGV (core dumped) +++', { kind: 'killed', signal: 'SIGSEGV' }],
    ['+++ exited with 3 +++', { kind: 'exited', status: 3 }],
    ['+++ superseded by execve in pid 43 +++', { kind: 'superseded', by: 43 }],
    ['<... select resumed> )      = 1 (in [3])', { kind: 'resumed', name: 'select', text: ' )      = 1 (in [3])' }],
    ['<... read resumed>"x", 1) = 1', { kind: 'resumed', name: 'read', text: '"x", 1) = 1' }],
    ['strace: Process 43 attached', { kind: 'attached', pid: 43 }],
    ['Process 43 attached', { kind: 'attached', pid: 43 }],
    ['strace: Process 43 detached', { kind: 'remark' }],
    ['strace: [ Process PID=43 runs in 32 bit mode. ]', { kind: 'mode', abi: 'ia32' }],
    [' > /usr/lib/x86_64-linux-gnu/libc.so.6(__close+0x13) [0xf8b43]', { kind: 'remark' }],
    ['', { kind: 'remark' }],
  ];
  it.each(bodies)('%s', (text, body) => {
    expect(readLine(text)?.body).toMatchObject(body);
  });

  it.each(['hello world', '{"a":1}', 'Nov 22 18:49:09 host sshd[1]: x', '42', '# close(3) = 0'])(
    'refuses %s',
    (text) => {
      expect(readLine(text)).toBeUndefined();
    },
  );
});

describe('parseStrace', () => {
  it('pairs unfinished and resumed calls for each process, in the order of completion', () => {
    const { events, problems } = parseStrace(
      lines(
        '[pid 28772] select(4, [3], NULL, NULL, NULL <unfinished ...>',
        '[pid 28779] read(5,  <unfinished ...>',
        '[pid 28779] <... read resumed>"abc", 16) = 3',
        '[pid 28772] <... select resumed> )      = 1 (in [3])',
        '[pid 28772] exit_group(0 <unfinished ...>',
        '[pid 28779] exit_group(0) = ?',
        '[pid 28772] <... exit_group resumed>) = ?',
        '[pid 28779] +++ exited with 0 +++',
        '+++ exited with 0 +++',
      ),
    );
    expect(problems).toEqual([]);
    expect(calls(events).map((call) => [call.pid, call.name, call.arguments.length, call.begin, call.line])).toEqual([
      [28779, 'read', 3, 2, 3],
      [28772, 'select', 5, 1, 4],
      [28779, 'exit_group', 1, 6, 6],
      [28772, 'exit_group', 1, 5, 7],
    ]);
    expect(events.slice(-2)).toMatchObject([
      { kind: 'exited', pid: 28779 },
      { kind: 'exited', pid: 28772 },
    ]);
  });

  it('knows whose lines are without a pid while there is one process', () => {
    const { events } = parseStrace(
      lines(
        'execve("/bin/sh", ["sh"], 0x7ffd /* 4 vars */) = 0',
        'clone(child_stack=NULL, flags=SIGCHLD, child_tidptr=0x7f) = 43',
        'strace: Process 43 attached',
        '[pid    42] wait4(-1,  <unfinished ...>',
        '[pid    43] exit_group(0)               = ?',
        '[pid    43] +++ exited with 0 +++',
        '<... wait4 resumed>NULL, 0, NULL)       = 43',
        'exit_group(0)                           = ?',
        '+++ exited with 0 +++',
      ),
    );
    expect(events.map((event) => event.pid)).toEqual([42, 42, 43, 43, 42, 42, 42]);
  });

  it('puts lines together that a remark of strace broke', () => {
    const { events, problems } = parseStrace(
      lines(
        '[pid  8116] mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0strace: Process 8117 attached',
        ' <unfinished ...>',
        '[pid  8117] clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLDstrace: Process 8125 attached',
        'strace: Process 8126 attached',
        ', child_tidptr=0x7fead7c3ea10) = 8125',
        '[pid  8116] <... mmap resumed>) = 0x7f2611e3c000',
        '[pid  8117] getpid() = three',
      ),
    );
    expect(calls(events).map((call) => [call.pid, call.name, call.begin, call.line, call.result.value])).toEqual([
      [8117, 'clone', 3, 3, 8125n],
      [8116, 'mmap', 1, 6, 0x7f2611e3c000n],
    ]);
    expect(problems).toEqual([{ line: 7, message: 'expected the result: a number or ?; found "three"' }]);
  });

  it('lets the thread that calls execve take over the process id', () => {
    const { events, problems } = parseStrace(
      lines(
        '43    execve("/bin/true", ["true"], 0x7ffd /* 4 vars */ <unfinished ...>',
        '42    +++ superseded by execve in pid 43 +++',
        '42    <... execve resumed>)             = 0',
        '42    exit_group(0)                     = ?',
        '42    +++ exited with 0 +++',
      ),
    );
    expect(problems).toEqual([]);
    expect(events[0]).toMatchObject({ kind: 'superseded', pid: 42, by: 43 });
    expect(calls(events)[0]).toMatchObject({ pid: 42, name: 'execve', begin: 1, line: 3 });
  });

  it('says when calls are of the 32-bit table', () => {
    const { events } = parseStrace(
      lines(
        '7     execve("/tmp/a32", ["a32"], 0x7ffd /* 4 vars */) = 0',
        'strace: [ Process PID=7 runs in 32 bit mode. ]',
        '7     getpid() = 7',
        'strace: [ Process PID=7 runs in 64 bit mode. ]',
        '7     getpid() = 7',
        '7     +++ exited with 0 +++',
      ),
    );
    expect(calls(events).map((call) => call.abi)).toEqual(['x86-64', 'ia32', 'x86-64']);
  });

  it('counts time from the first line', () => {
    const times = (...text: string[]) => parseStrace(lines(...text)).events.map((event) => event.time);
    expect(times('1 1000000000.000001 getpid() = 1', '1 1000000000.500001 getpid() = 1')).toEqual([0n, 500_000_000n]);
    expect(times('23:59:59.900000 getpid() = 1', '00:00:00.100000 getpid() = 1')).toEqual([0n, 200_000_000n]);
    expect(times('     0.000000 getpid() = 1', '     0.000100 getpid() = 1', '     0.000050 getpid() = 1')).toEqual([
      0n,
      100_000n,
      150_000n,
    ]);
    expect(times('getpid() = 1')).toEqual([undefined]);
    expect(parseStrace('1 1000000000.000001 getpid() = 1\n').start).toBe(1_000_000_000_000_001_000n);
  });

  it('takes a log in pieces that end anywhere', () => {
    const text = lines('7     getpid() = 7', '7     write(1, "a\\nb", 3) = 3', '7     +++ exited with 0 +++');
    const whole = parseStrace(text);
    expect(parseStrace(text)).toEqual(whole);
    expect(parseStrace(text.match(/.{1,5}/gs) ?? [])).toEqual(whole);
    expect(whole.events).toHaveLength(3);
  });
});

describe('what is no recording', () => {
  it('an empty file', () => {
    expect(parseStrace('')).toEqual({
      events: [],
      problems: [{ line: 0, message: 'the recording is empty; expected the text that strace -f -o FILE writes' }],
      start: undefined,
    });
  });

  it.each(['stop', 'skip'] as const)('a foreign file, on problem %s', (onProblem) => {
    expect(parseStrace(lines('', 'Mar 01 10:00:00 web sshd[411]: Accepted', 'Mar 01'), onProblem)).toEqual({
      events: [],
      problems: [
        {
          line: 2,
          message:
            'this is no log of strace\'s; expected a line of strace: name(arguments) = result, --- SIGNAL ---, or +++ exited with 0 +++; found "Mar 01 10:00:00 web sshd[411]: Accepted"',
        },
      ],
      start: undefined,
    });
  });

  it('a long foreign file, of which only the head is read', () => {
    let read = 0;
    const source = function* () {
      for (; read < 1000; read += 1) yield 'no strace\n';
    };
    const { problems } = parseStrace(source());
    expect(problems.map((problem) => problem.line)).toEqual([1]);
    expect(read).toBeLessThan(20);
  });

  it('a binary file', () => {
    expect(parseStrace('\x7fELF\x02\x01\x01\0\0\0\n\0\0').problems).toEqual([
      { line: 1, message: 'this is a binary file; expected the text that strace -f -o FILE writes' },
    ]);
  });
});

describe('damage', () => {
  const damaged = lines(
    '7     getpid() = 7',
    '7     openat(AT_FDCWD, "/etc/passwd", O_RDONLY = 3',
    'garbage',
    '7     <... read resumed>"x", 1) = 1',
    '7     close(3) = 0',
    '7     \0\0',
    '7     +++ exited with 0 +++',
  );
  const messages = [
    { line: 2, message: 'expected a comma or ); found "= 3"' },
    {
      line: 3,
      message:
        'expected a line of strace: name(arguments) = result, --- SIGNAL ---, or +++ exited with 0 +++; found "garbage"',
    },
    { line: 4, message: 'read resumes, but process 7 has no call under way: its first part is missing' },
    {
      line: 6,
      message:
        'expected a line of strace: name(arguments) = result, --- SIGNAL ---, or +++ exited with 0 +++; found binary data (a zero byte)',
    },
  ];

  it('is left out and named', () => {
    const { events, problems } = parseStrace(damaged, 'skip');
    expect(problems).toEqual(messages);
    expect(events.map((event) => event.line)).toEqual([1, 5, 7]);
  });

  it('ends the recording where that is asked for', () => {
    const { events, problems } = parseStrace(damaged, 'stop');
    expect(problems).toEqual(messages.slice(0, 1));
    expect(events.map((event) => event.line)).toEqual([1]);
  });

  it('names the line in whose middle a recording was cut off', () => {
    const whole = lines('7     getpid() = 7', '7     openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = 3');
    const { events, problems } = parseStrace(whole.slice(0, -16));
    expect(events).toHaveLength(1);
    expect(problems).toEqual([
      { line: 2, message: 'the recording ends in the middle of this line: "openat(AT_FDCWD, \\"/etc/passwd\\""' },
    ]);
    expect(parseStrace(`${lines('7     getpid() = 7')}7   `).problems).toEqual([
      { line: 2, message: 'the recording ends in the middle of this line: "7   "' },
    ]);
  });

  it('says which processes a recording leaves behind', () => {
    const one = lines(
      '7     getpid() = 7',
      '8     read(0,  <unfinished ...>',
      '9     getpid() = 9',
      '9     +++ exited with 0 +++',
    );
    expect(parseStrace(one).problems).toEqual([
      {
        line: 4,
        message: 'the recording ends while processes 7, 8 still run: it was cut off here, or strace was stopped',
      },
    ]);
  });
});
