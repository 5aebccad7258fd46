import { describe, expect, it } from 'vitest';
import {
  createSimHost,
  type SimAddress,
  type SimArgument,
  type SimHost,
  type SimTask,
} from '../../../sensors/index.ts';

const [EBADF, EAGAIN, EPIPE, EDESTADDRREQ, EMSGSIZE, EPROTOTYPE, ENOPROTOOPT] = [9, 11, 32, 89, 90, 91, 92];
const [EOPNOTSUPP, EAFNOSUPPORT, EISCONN, ENOTCONN, ECONNREFUSED, EALREADY, EINPROGRESS] = [
  95, 97, 106, 107, 111, 114, 115,
];
const [ENOTSOCK, EINVAL, EACCES, ETIMEDOUT, ERESTARTSYS] = [88, 22, 13, 110, 512];
const [AF_UNIX, AF_INET, AF_INET6, STREAM, DGRAM, NONBLOCK] = [1, 2, 10, 1, 2, 0o4000];
const [SOL_SOCKET, SO_DEBUG, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_ACCEPTCONN, SO_DOMAIN] = [1, 1, 2, 3, 4, 30, 39];
const [MSG_DONTWAIT, MSG_NOSIGNAL, SHUT_RD, SHUT_WR] = [0x40, 0x4000, 0, 1];
const LOCAL = '127.0.0.1';

interface World {
  readonly host: SimHost;
  readonly task: SimTask;
  readonly result: (name: string, ...args: SimArgument[]) => number;
}
const world = (uid = 0): World => {
  const host = createSimHost();
  const task = host.spawn({ exepath: '/usr/bin/python3', uid });
  return { host, task, result: (name, ...args) => host.call(task, name, args).result };
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const receive = ({ host, task }: World, fd: number, count = 100) => {
  const { result, data, from } = host.call(task, 'recvfrom', [fd, null, count, MSG_DONTWAIT, null, null]);
  return { result, text: new TextDecoder().decode(data), from };
};
const bound = ({ result }: World, address: SimAddress, type = DGRAM): number => {
  const family = 'path' in address ? AF_UNIX : AF_INET;
  const fd = result('socket', family, type, 0);
  expect(result('bind', fd, address)).toBe(0);
  return fd;
};
const option = ({ host, task }: World, fd: number, name: number): number => {
  const { data } = host.call(task, 'getsockopt', [fd, SOL_SOCKET, name, null, null]);
  return data ? new DataView(data.buffer, data.byteOffset).getInt32(0, true) : Number.NaN;
};

describe('datagrams', () => {
  it('keep their bounds and say who sent them; what finds no room is lost (udp(7))', () => {
    const all = world();
    const to = { address: LOCAL, port: 5000 };
    const receiver = bound(all, to);
    const sender = bound(all, { address: LOCAL, port: 6000 });
    for (const text of ['first', 'second', ''])
      expect(all.result('sendto', sender, text, text.length, 0, to)).toBe(text.length);
    const from = { address: LOCAL, port: 6000 };
    expect(receive(all, receiver, 3)).toEqual({ result: 3, text: 'fir', from });
    expect(receive(all, receiver)).toEqual({ result: 6, text: 'second', from });
    expect(receive(all, receiver)).toEqual({ result: 0, text: '', from });
    expect(receive(all, receiver).result).toBe(-EAGAIN);
    expect(all.result('recvfrom', receiver, null, 10, 0, null, null)).toBe(-ERESTARTSYS);
  });

  it('go where they are told, or to the peer (send(2))', () => {
    const all = world();
    const { result } = all;
    const to = { address: LOCAL, port: 5000 };
    const receiver = bound(all, to);
    const fd = result('socket', AF_INET, DGRAM, 0);
    expect(result('write', fd, 'x', 1)).toBe(-EDESTADDRREQ);
    expect(result('sendto', fd, 'x', 1, 0, { address: LOCAL, port: 0 })).toBe(-EINVAL);
    expect(result('sendto', fd, 'x', 1, 0, { path: '/x' })).toBe(-EAFNOSUPPORT);
    expect(result('sendto', fd, 'x'.repeat(65_508), 65_508, 0, to)).toBe(-EMSGSIZE);
    expect(result('connect', fd, to)).toBe(0);
    expect(result('write', fd, 'peer', 4)).toBe(4);
    expect(result('sendmsg', fd, { message: 'header' }, 0)).toBe(6);
    expect([receive(all, receiver).text, receive(all, receiver).text]).toEqual(['peer', 'header']);
  });

  it('that nobody waits for come back to who is connected (udp(7), ECONNREFUSED)', () => {
    const { result } = world();
    const fd = result('socket', AF_INET, DGRAM, 0);
    const nobody = { address: LOCAL, port: 9 };
    expect(result('sendto', fd, 'x', 1, 0, nobody)).toBe(1);
    expect(result('sendto', fd, 'x', 1, 0, nobody)).toBe(1);
    expect(result('connect', fd, nobody)).toBe(0);
    expect(result('write', fd, 'x', 1)).toBe(1);
    expect(result('write', fd, 'x', 1)).toBe(-ECONNREFUSED);
  });

  it('of Unix sockets find their way by path and by abstract name (unix(7))', () => {
    const all = world();
    const { result } = all;
    const [path, abstract] = [bound(all, { path: '/tmp/log' }), bound(all, { path: '@log' })];
    const stream = bound(all, { path: '@stream' }, STREAM);
    expect(stream).toBeGreaterThan(abstract);
    const fd = bound(all, { path: '@me' });
    expect(result('write', fd, 'x', 1)).toBe(-ENOTCONN);
    expect(result('sendto', fd, 'one', 3, 0, { path: '/tmp/log' })).toBe(3);
    expect(result('sendto', fd, 'two', 3, 0, { path: '@log' })).toBe(3);
    expect(result('sendto', fd, 'x', 1, 0, { path: '@nobody' })).toBe(-ECONNREFUSED);
    expect(result('sendto', fd, 'x', 1, 0, { path: '@stream' })).toBe(-EPROTOTYPE);
    expect(receive(all, path)).toEqual({ result: 3, text: 'one', from: { path: '@me' } });
    expect(receive(all, abstract).text).toBe('two');
    expect(result('connect', fd, { path: '@log' })).toBe(0);
    expect(result('write', fd, 'three', 5)).toBe(5);
    expect(receive(all, abstract).text).toBe('three');
    expect(result('close', abstract)).toBe(0);
    expect(result('write', fd, 'x', 1)).toBe(-ECONNREFUSED);
  });

  it('of a pair stay apart', () => {
    const all = world();
    const [one = -1, other = -1] = all.host.call(all.task, 'socketpair', [AF_UNIX, DGRAM, 0, 0]).fds ?? [];
    for (const text of ['a', 'bc']) all.result('write', one, text, text.length);
    expect([receive(all, other).text, receive(all, other).text]).toEqual(['a', 'bc']);
  });
});

describe('streams', () => {
  const connected = (all: World): readonly [listener: number, client: number, server: number] => {
    const listener = bound(all, { address: LOCAL, port: 8080 }, STREAM);
    expect(all.result('listen', listener, 4)).toBe(0);
    const client = all.result('socket', AF_INET, STREAM, 0);
    expect(all.result('connect', client, { address: LOCAL, port: 8080 })).toBe(0);
    return [listener, client, all.result('accept4', listener, null, null, 0)];
  };

  it('have names at both ends (getsockname(2), getpeername(2))', () => {
    const all = world();
    const [listener, client, server] = connected(all);
    const name = (call: string, fd: number) => all.host.call(all.task, call, [fd, null, null]).data;
    expect(name('getsockname', listener)?.slice(0, 8)).toEqual(Uint8Array.of(2, 0, 0x1f, 0x90, 127, 0, 0, 1));
    expect(name('getpeername', client)).toEqual(name('getsockname', server));
    expect(name('getpeername', server)).toEqual(name('getsockname', client));
    expect(all.result('getpeername', listener, null, null)).toBe(-ENOTCONN);
    expect(all.result('getsockname', 0, null, null)).toBe(-ENOTSOCK);
    expect(all.result('getsockname', 99, null, null)).toBe(-EBADF);
    const unnamed = all.result('socket', AF_INET6, STREAM, 0);
    expect(name('getsockname', unnamed)).toEqual(Uint8Array.of(10, ...new Uint8Array(27)));
    const unix = all.result('socket', AF_UNIX, STREAM, 0);
    expect(name('getsockname', unix)).toEqual(Uint8Array.of(1, 0));
  });

  it('end one direction with shutdown (shutdown(2))', () => {
    const all = world();
    const { result } = all;
    const [listener, client, server] = connected(all);
    expect(result('shutdown', listener, SHUT_RD)).toBe(-ENOTCONN);
    expect(result('shutdown', client, 9)).toBe(-EINVAL);
    expect(result('shutdown', client, SHUT_WR)).toBe(0);
    expect(result('sendto', client, 'x', 1, MSG_NOSIGNAL, null)).toBe(-EPIPE);
    expect(receive(all, server).result).toBe(0);
    expect(result('write', server, 'still', 5)).toBe(5);
    expect(receive(all, client).text).toBe('still');
    expect(result('shutdown', client, SHUT_RD)).toBe(0);
    expect(receive(all, client).result).toBe(0);
  });

  it('say what connecting came to (connect(2))', () => {
    const all = world();
    const { host, result } = all;
    host.network.declareRemote('203.0.113.5', 443);
    const attempt = (address: string, port: number): readonly number[] => {
      const fd = result('socket', AF_INET, STREAM | NONBLOCK, 0);
      const first = result('connect', fd, { address, port });
      return [first, result('connect', fd, { address, port })];
    };
    expect(attempt('203.0.113.5', 443)).toEqual([-EINPROGRESS, 0]);
    expect(attempt('203.0.113.5', 1)).toEqual([-EINPROGRESS, -ECONNREFUSED]);
    expect(attempt('198.51.100.7', 1)).toEqual([-EINPROGRESS, -EALREADY]);
    const fd = result('socket', AF_INET, STREAM | NONBLOCK, 0);
    expect(result('connect', fd, { address: '203.0.113.5', port: 1 })).toBe(-EINPROGRESS);
    expect([option(all, fd, SO_ERROR), option(all, fd, SO_ERROR)]).toEqual([ECONNREFUSED, 0]);
    const slow = result('socket', AF_INET, STREAM, 0);
    expect(result('connect', slow, { address: '198.51.100.7', port: 1 })).toBe(-ETIMEDOUT);
    expect(result('connect', result('socket', AF_INET6, STREAM, 0), { address: LOCAL, port: 1 })).toBe(-EAFNOSUPPORT);
  });

  it('of Unix sockets take no other address (unix_stream_sendmsg)', () => {
    const all = world();
    const [one = -1] = all.host.call(all.task, 'socketpair', [AF_UNIX, STREAM, 0, 0]).fds ?? [];
    expect(all.result('sendto', one, 'x', 1, 0, { path: '@x' })).toBe(-EISCONN);
    const fd = all.result('socket', AF_UNIX, STREAM, 0);
    expect(all.result('sendto', fd, 'x', 1, 0, { path: '@x' })).toBe(-EOPNOTSUPP);
  });

  it('have options, and keep those that are set (getsockopt(2))', () => {
    const all = world(1000);
    const { result } = all;
    const [listener, client] = connected(all);
    expect([SO_TYPE, SO_DOMAIN, SO_ACCEPTCONN].map((name) => option(all, listener, name))).toEqual([
      STREAM,
      AF_INET,
      1,
    ]);
    expect(option(all, client, SO_ACCEPTCONN)).toBe(0);
    const one = new Uint8Array(Int32Array.of(1).buffer);
    expect(option(all, client, SO_REUSEADDR)).toBe(0);
    expect(result('setsockopt', client, SOL_SOCKET, SO_REUSEADDR, one, 4)).toBe(0);
    expect(option(all, client, SO_REUSEADDR)).toBe(1);
    expect(result('setsockopt', client, SOL_SOCKET, SO_TYPE, one, 4)).toBe(-ENOPROTOOPT);
    expect(result('setsockopt', client, SOL_SOCKET, SO_DEBUG, one, 4)).toBe(-EACCES);
    expect(result('setsockopt', client, SOL_SOCKET, SO_REUSEADDR, one.subarray(0, 1), 1)).toBe(-EINVAL);
    expect(result('getsockopt', client, SOL_SOCKET, 9999, null, null)).toBe(-ENOPROTOOPT);
    expect(result('getsockopt', client, 17, 1, null, null)).toBe(-ENOPROTOOPT);
    const unix = result('socket', AF_UNIX, STREAM, 0);
    expect(result('getsockopt', unix, 6, 1, null, null)).toBe(-EOPNOTSUPP);
  });
});

describe('a resolver', () => {
  /** A query of one question (RFC 1035, section 4.1). */
  const query = (name: string, type: number): Uint8Array => {
    const labels = name.split('.').flatMap((label) => [label.length, ...bytes(label)]);
    return Uint8Array.of(0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, type, 0, 1);
  };
  const [A, AAAA] = [1, 28];
  const resolver = { address: '10.0.2.3', port: 53 };
  const ask = (all: World, name: string, type: number): Uint8Array => {
    const fd = all.result('socket', AF_INET, DGRAM, 0);
    const message = query(name, type);
    expect(all.result('sendto', fd, message, message.length, 0, resolver)).toBe(message.length);
    const { data, from } = all.host.call(all.task, 'recvfrom', [fd, null, 512, 0, null, null]);
    expect(from).toEqual(resolver);
    return data ?? new Uint8Array(0);
  };
  const named = (): World => {
    const all = world();
    all.host.network.declareName('Pool.Example.org', '203.0.113.81');
    all.host.network.declareName('pool.example.org.', '203.0.113.82');
    all.host.network.declareName('pool.example.org', '2001:db8::81');
    return all;
  };

  it('answers with the addresses of the type that was asked for (RFC 1035, section 4)', () => {
    const question = query('pool.example.org', A);
    const record = (last: number) => [0xc0, 12, 0, A, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, last];
    expect(ask(named(), 'pool.example.org', A)).toEqual(
      Uint8Array.of(
        0x12,
        0x34,
        0x81,
        0x80,
        0,
        1,
        0,
        2,
        0,
        0,
        0,
        0,
        ...question.slice(12),
        ...record(81),
        ...record(82),
      ),
    );
    const six = ask(named(), 'POOL.example.org', AAAA);
    expect([six[7], ...six.slice(-18)]).toEqual([1, 0, 16, 0x20, 1, 0xd, 0xb8, ...new Uint8Array(11), 0x81]);
  });

  it('knows no other names (rcode 3), and has nothing to say of a name without such an address', () => {
    expect(ask(named(), 'nowhere.example', A).slice(2, 8)).toEqual(Uint8Array.of(0x81, 0x83, 0, 1, 0, 0));
    expect(ask(named(), 'pool.example.org', 16).slice(2, 8)).toEqual(Uint8Array.of(0x81, 0x80, 0, 1, 0, 0));
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['half a header', new Uint8Array(6)],
    ['an answer', Uint8Array.of(0, 1, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1)],
    ['two questions', Uint8Array.of(0, 1, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1)],
    ['a name that does not end', Uint8Array.of(0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5, 97)],
    ['a pointer for a name', Uint8Array.of(0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1)],
    ['another class', Uint8Array.of(0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3)],
  ])('does not answer %s', (_what, message) => {
    const all = named();
    const fd = all.result('socket', AF_INET, DGRAM, 0);
    expect(all.result('connect', fd, resolver)).toBe(0);
    expect(all.result('write', fd, message, message.length)).toBe(message.length);
    expect(receive(all, fd).result).toBe(-EAGAIN);
  });
});
