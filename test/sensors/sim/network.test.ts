import { describe, expect, it } from 'vitest';
import { createSimHost, type SimHost, type SimTask } from '../../../sensors/index.ts';

const REMOTE = { address: '203.0.113.5', port: 4444 };
const text = (data: Uint8Array | undefined): string => new TextDecoder().decode(data);
const server = (host: SimHost): SimTask => host.spawn({ exepath: '/usr/sbin/nginx' });

const listening = (host: SimHost, task: SimTask, port: number, address = '0.0.0.0'): number => {
  const { result: fd } = host.call(task, 'socket', [address.includes(':') ? 10 : 2, 1, 0]);
  expect(host.call(task, 'bind', [fd, { address, port }]).result).toBe(0);
  expect(host.call(task, 'listen', [fd, 5]).result).toBe(0);
  return fd;
};

describe('remote hosts', () => {
  it('answer where they are declared, refuse on other ports, and time out otherwise', () => {
    const host = createSimHost();
    host.network.declareRemote(REMOTE.address, REMOTE.port, { reply: 'id\n' });
    const task = server(host);
    const connect = (to: { address: string; port: number }): number => {
      const { result: fd } = host.call(task, 'socket', [2, 1, 0]);
      return host.call(task, 'connect', [fd, to]).result;
    };
    expect(connect(REMOTE)).toBe(0);
    expect(connect({ ...REMOTE, port: 1 })).toBe(-111);
    expect(connect({ address: '198.51.100.7', port: 80 })).toBe(-110);
    expect(host.call(task, 'read', [3, 0, 100]).data).toEqual(new TextEncoder().encode('id\n'));
    expect(host.call(task, 'write', [3, 'uid=0', 5]).result).toBe(5);
    expect(host.network.reachable(REMOTE.address, REMOTE.port)).toBe(true);
    expect(host.network.reachable(REMOTE.address, 1)).toBe(false);
  });

  it('connect to listeners, which accept them with what they sent', () => {
    const host = createSimHost();
    const task = server(host);
    const from = { address: '198.51.100.7', port: 51_000 };
    expect(host.network.incoming(from, 80, 'GET / HTTP/1.1\r\n')).toBe(false);
    const fd = listening(host, task, 80);
    expect(host.call(task, 'accept', [fd, null, null]).result).toBe(-512);
    expect(host.network.incoming(from, 80, 'GET / HTTP/1.1\r\n')).toBe(true);
    const { result: accepted } = host.call(task, 'accept', [fd, null, null]);
    expect(text(host.call(task, 'read', [accepted, 0, 100]).data)).toBe('GET / HTTP/1.1\r\n');
    expect(host.call(task, 'write', [accepted, 'ok', 2]).result).toBe(2);
  });
});

describe('connections on the host', () => {
  for (const [family, address] of [
    [2, '127.0.0.1'],
    [10, '::1'],
  ] as const)
    it(`carries bytes both ways over ${address}`, () => {
      const host = createSimHost();
      const [one, other] = [server(host), server(host)];
      const listener = listening(host, one, 8080, address);
      const { result: fd } = host.call(other, 'socket', [family, 1, 0]);
      expect(host.call(other, 'connect', [fd, { address, port: 8080 }]).result).toBe(0);
      const { result: accepted } = host.call(one, 'accept4', [listener, null, null, 0]);
      host.call(other, 'write', [fd, 'ping', 4]);
      expect(text(host.call(one, 'read', [accepted, 0, 10]).data)).toBe('ping');
      host.call(one, 'write', [accepted, 'pong', 4]);
      expect(text(host.call(other, 'read', [fd, 0, 10]).data)).toBe('pong');
    });

  it('frees its port when the last descriptor is closed', () => {
    const host = createSimHost();
    const task = server(host);
    const fd = listening(host, task, 8080);
    host.call(task, 'dup', [fd]);
    const again = (): number => {
      const { result } = host.call(task, 'socket', [2, 1, 0]);
      return host.call(task, 'bind', [result, { address: '127.0.0.1', port: 8080 }]).result;
    };
    host.call(task, 'close', [fd]);
    expect(again()).toBe(-98);
    host.call(task, 'close', [fd + 1]);
    expect(again()).toBe(0);
  });

  it('passes datagrams and abstract Unix names', () => {
    const host = createSimHost();
    const task = server(host);
    const { result: receiver } = host.call(task, 'socket', [2, 2, 0]);
    host.call(task, 'bind', [receiver, { address: '127.0.0.1', port: 53 }]);
    const { result: sender } = host.call(task, 'socket', [2, 2, 0]);
    host.call(task, 'sendto', [sender, 'query', 5, 0, { address: '127.0.0.1', port: 53 }]);
    expect(text(host.call(task, 'recvfrom', [receiver, 0, 100, 0, null, null]).data)).toBe('query');
    const { result: one } = host.call(task, 'socket', [1, 1, 0]);
    expect(host.call(task, 'bind', [one, { path: '@hidden' }]).result).toBe(0);
    host.call(task, 'listen', [one, 1]);
    const { result: other } = host.call(task, 'socket', [1, 1, 0]);
    expect(host.call(task, 'connect', [other, { path: '@hidden' }]).result).toBe(0);
    expect(host.call(task, 'connect', [other, { path: '@nobody' }]).result).toBe(-111);
  });

  it('joins a pair', () => {
    const host = createSimHost();
    const task = server(host);
    const [one, other] = host.call(task, 'socketpair', [1, 1, 0, 0]).fds ?? [];
    host.call(task, 'write', [one ?? -1, 'hello', 5]);
    expect(text(host.call(task, 'read', [other ?? -1, 0, 10]).data)).toBe('hello');
    host.call(task, 'close', [one ?? -1]);
    expect(host.call(task, 'read', [other ?? -1, 0, 10]).result).toBe(0);
  });
});
