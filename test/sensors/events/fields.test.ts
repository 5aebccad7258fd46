import { describe, expect, it } from 'vitest';
import type { FieldValue } from '../../../rules/index.ts';
import { createProcessTable, fieldsOf, ONLY_ROOT } from '../../../sensors/index.ts';
import { record, type Said } from './record.ts';

const SPAN = { start: 0, end: 0 };
const fieldOf = (field: string, said: Said): FieldValue => {
  const [, name = '', argument] = /^([^[]+)(?:\[(.*)\])?$/.exec(field) ?? [];
  const source = fieldsOf(record(said), {
    processes: createProcessTable(),
    number: 12,
    wallTime: 1_767_225_600_123_456_789n,
    cgroupPath: (id) => (id === 9n ? `/docker/${'ab'.repeat(32)}` : id === 8n ? '/user.slice' : undefined),
    accounts: ONLY_ROOT,
  });
  return source({ name, ...(argument !== undefined && { argument }), span: SPAN });
};
/** The value alone: undefined where it is absent or unknown. */
const textOf = (field: string, said: Said): unknown => {
  const value = fieldOf(field, said);
  return value.state === 'present' ? value.value : value.state;
};

const ANY4 = [0, 0, 0, 0];
const LOCAL4 = [10, 0, 2, 15];
const REMOTE4 = [203, 0, 113, 5];
const six = (...groups: number[]) => groups.flatMap((group) => [group >> 8, group & 255]);

describe('evt.arg', () => {
  it.each<[string, Said, unknown]>([
    ['flags', { event: 'openat', arguments: [0n, 0n, 0o100n] }, 'O_RDONLY|O_CREAT'],
    ['flags', { event: 'openat', arguments: [0n, 0n, 0o2002002n] }, 'O_RDWR|O_APPEND|O_CLOEXEC'],
    ['flags', { event: 'open', arguments: [0n, 0o200001n] }, 'O_WRONLY|O_DIRECTORY'],
    [
      'mode',
      { event: 'open', arguments: [0n, 0n, 0o4755n] },
      'S_ISUID|S_IRUSR|S_IWUSR|S_IXUSR|S_IRGRP|S_IXGRP|S_IROTH|S_IXOTH',
    ],
    ['mode', { event: 'open', arguments: [0n, 0n, 0n] }, '0'],
    ['sig', { event: 'kill', arguments: [5n, 9n] }, 'SIGKILL'],
    ['sig', { event: 'kill', arguments: [5n, 34n] }, '34'],
    ['pid', { event: 'kill', arguments: [-1n, 9n] }, '-1'],
    ['pid', { event: 'kill', abi: 'ia32', arguments: [0xffff_ffffn, 9n] }, '-1'],
    ['uid', { event: 'setuid', arguments: [1000n] }, '1000'],
    ['request', { event: 'ptrace', arguments: [16n] }, 'PTRACE_ATTACH'],
    ['request', { event: 'ptrace', arguments: [99n] }, '99'],
    ['buf', { event: 'read', arguments: [3n, 0x7fff0010n, 4n] }, '0x7fff0010'],
    ['count', { event: 'read', arguments: [3n, 0n, -1n] }, '-1'],
    ['sig', { event: 'open' }, 'absent'],
    ['name', { event: 'open', strings: { path: { state: 'present', text: '/a//b', passed: true } } }, '/a/b'],
    ['newpath', { event: 'rename', strings: { path2: { state: 'present', text: '/to', passed: true } } }, '/to'],
    ['linkpath', { event: 'symlink', strings: { path: { state: 'present', text: '/at', passed: true } } }, '/at'],
    [
      'addr',
      { event: 'connect', local: [2, 40000, LOCAL4], remote: [2, 443, REMOTE4] },
      '10.0.2.15:40000->203.0.113.5:443',
    ],
  ])('[%s], case %#', (name, said, expected) => {
    expect(textOf(`evt.arg[${name}]`, said)).toBe(expected);
  });
});

describe('results', () => {
  it.each<[bigint, unknown, unknown, unknown]>([
    [0n, 0n, 'SUCCESS', false],
    [7n, 7n, 'SUCCESS', false],
    [-2n, -2n, 'ENOENT', true],
    [-41n, -41n, 'E41', true],
    [-524n, -524n, 'E524', true],
  ])('%i', (result, raw, text, failed) => {
    expect(['evt.rawres', 'evt.res', 'evt.failed'].map((field) => textOf(field, { result }))).toEqual([
      raw,
      text,
      failed,
    ]);
  });

  it('of an exec that succeeded are 0', () => {
    expect(textOf('evt.rawres', { kind: 'exec' })).toBe(0n);
    expect(textOf('evt.res', { kind: 'exec' })).toBe('SUCCESS');
  });
});

describe('files', () => {
  const file: Said = {
    event: 'read',
    fd: 3,
    typechar: 'f',
    ino: 77n,
    strings: { file: { state: 'present', text: '/a/b.c' } },
  };

  it('have a name in parts', () => {
    expect(
      ['fd.name', 'fd.directory', 'fd.filename', 'fd.typechar', 'fd.type', 'fd.ino', 'fd.num'].map((field) =>
        textOf(field, file),
      ),
    ).toEqual(['/a/b.c', '/a', 'b.c', 'f', 'file', 77n, 3n]);
    expect(fieldOf('fd.name', file)).toMatchObject({ trust: 'contestable' });
    for (const field of ['fd.name', 'fd.directory', 'fd.typechar', 'fd.ino'])
      expect(fieldOf(field, { ...file, ownTable: true }), field).toMatchObject({ trust: 'resolved' });
  });

  it('are absent where the call has no descriptor, and unknown where nobody knows', () => {
    const failed: Said = { event: 'dup', fd: -1, result: -9n, strings: { file: { state: 'absent', text: '' } } };
    const closed: Said = { event: 'close', fd: 3, strings: { file: { state: 'unknown', text: '' } } };
    for (const field of ['fd.name', 'fd.directory', 'fd.typechar', 'fd.type', 'fd.ino', 'fd.dev']) {
      expect(textOf(field, failed), field).toBe('absent');
      expect(textOf(field, closed), field).toBe('unknown');
    }
    expect(textOf('fd.num', { event: 'getpid' })).toBe('absent');
    expect(textOf('fd.num', failed)).toBe(-1n);
  });

  it('that were not opened have the path as passed', () => {
    const failed: Said = {
      event: 'openat',
      fd: -1,
      result: -2n,
      typechar: 'f',
      strings: { file: { state: 'relative', text: 'x', passed: true }, base: { state: 'present', text: '/w' } },
    };
    expect(fieldOf('fd.name', failed)).toEqual({ state: 'present', value: '/w/x', trust: 'as passed' });
    expect(textOf('fd.ino', failed)).toBe('absent');
  });

  it('say how they were opened, where the flags could be read', () => {
    const how = (flags: number) =>
      ['read', 'write', 'create'].map((what) => textOf(`evt.is_open_${what}`, { event: 'openat2', flags }));
    expect(how(0)).toEqual([true, false, false]);
    expect(how(0o101)).toEqual([false, true, true]);
    expect(how(2)).toEqual([true, true, false]);
    expect(how(3)).toEqual([false, false, false]);
    expect(how(0xffff_ffff)).toEqual(['unknown', 'unknown', 'unknown']);
    expect(textOf('evt.is_open_read', { event: 'read' })).toBe('absent');
  });
});

describe('sockets', () => {
  const tuple = (event: string, more: Said) => textOf('fd.name', { event, fd: 3, typechar: '4', ...more });

  it('have a name that leads from the client to the server', () => {
    const local = [2, 40000, LOCAL4] as const;
    const remote = [2, 443, REMOTE4] as const;
    expect(tuple('connect', { local, remote })).toBe('10.0.2.15:40000->203.0.113.5:443');
    expect(tuple('accept', { local, remote })).toBe('203.0.113.5:443->10.0.2.15:40000');
    expect(tuple('read', { local, remote })).toBe('10.0.2.15:40000->203.0.113.5:443');
    expect(tuple('bind', { local })).toBe('10.0.2.15:40000');
    expect(tuple('socket', { local: [2, 0, ANY4] })).toBe('0.0.0.0:0');
    expect(textOf('fd.filename', { event: 'read', fd: 3, typechar: '4', local })).toBe('absent');
  });

  it.each([
    [[0, 0, 0, 0, 0, 0, 0, 0], '::'],
    [[0, 0, 0, 0, 0, 0, 0, 1], '::1'],
    [[0x2001, 0xdb8, 0, 0, 1, 0, 0, 1], '2001:db8::1:0:0:1'],
    [[0x2001, 0xdb8, 0, 1, 1, 1, 1, 1], '2001:db8:0:1:1:1:1:1'],
    [[0xfe80, 0, 0, 0, 0, 0, 0, 0], 'fe80::'],
    [[0x2001, 0, 0, 1, 0, 0, 0, 1], '2001:0:0:1::1'],
  ])('with an address of %j are written as RFC 5952 has it: %s', (groups, expected) => {
    const remote = [10, 443, six(...groups)] as const;
    expect(textOf('fd.rip', { event: 'connect', remote })).toBe(expected);
    expect(tuple('connect', { remote })).toBe(`[${expected}]:443`);
  });

  it('have two ends for fields about either', () => {
    const said: Said = { event: 'connect', local: [2, 40000, LOCAL4], remote: [2, 443, REMOTE4] };
    expect(textOf('fd.ip', said)).toEqual(['10.0.2.15', '203.0.113.5']);
    expect(textOf('fd.port', said)).toEqual(['40000', '443']);
    expect(textOf('fd.sport', said)).toBe(443n);
    expect(textOf('fd.cport', said)).toBe(40000n);
    expect(textOf('fd.lip', { ...said, event: 'bind' })).toBe('10.0.2.15');
    expect(textOf('fd.rip', { ...said, event: 'bind' })).toBe('absent');
  });

  it('of Unix have neither name nor address', () => {
    const said: Said = { event: 'connect', fd: 3, typechar: 'u', strings: { file: { state: 'absent', text: '' } } };
    expect(textOf('fd.name', said)).toBe('absent');
    expect(textOf('fd.sip', said)).toBe('absent');
    expect(textOf('fd.sockfamily', said)).toBe('unix');
  });
});

describe('who and when', () => {
  it('is told in the usual words', () => {
    expect(textOf('evt.time', {})).toBe('00:00:00.123456789');
    expect(textOf('evt.num', {})).toBe(12n);
    expect(textOf('user.name', { uid: 0 })).toBe('root');
    expect(textOf('user.name', { uid: 5 })).toBe('unknown');
    expect(textOf('container.id', { cgroup: 9n })).toBe('abababababab');
    expect(textOf('container.id', { cgroup: 8n })).toBe('host');
    expect(textOf('container.id', { cgroup: 7n })).toBe('unknown');
    expect(textOf('k8s.ns.name', { cgroup: 8n })).toBe('absent');
    expect(textOf('k8s.ns.name', { cgroup: 9n })).toBe('unknown');
  });

  it('is unknown of a process that is not known, and absent of the parent of the first', () => {
    expect(textOf('proc.name', { pid: 5 })).toBe('unknown');
    expect(textOf('proc.pname', { pid: 5, parentPid: 4 })).toBe('unknown');
    expect(textOf('proc.pname', { pid: 1, parentPid: 0 })).toBe('absent');
    expect(textOf('proc.aname[2]', { pid: 1, parentPid: 0 })).toBe('absent');
    expect(textOf('proc.aname', { pid: 5, parentPid: 4 })).toBe('unknown');
  });
});
