import { deepStrictEqual, strictEqual } from 'node:assert';
import { type Item, ldx, ldxField, R7, R9 } from '../../../../engine/isa/index.ts';
import { AF_INET, loopback } from '../calls.ts';
import { group } from '../case.ts';
import type { Host, Task } from '../host.ts';
import { keep, observe } from '../programs.ts';

const [USER_FAMILY, USER_IP4, USER_IP6, USER_PORT, TYPE, PROTOCOL, SK] = [0, 4, 8, 24, 32, 36, 64];
const [AF_INET6, SOCK_STREAM, SOCK_DGRAM, IPPROTO_TCP, IPPROTO_UDP] = [10, 1, 2, 6, 17];
const LOOPBACK = 0x0100_007fn;
/** The last word of ::1, as a program on a little-endian machine reads it. */
const LAST_OF_LOOPBACK6 = 0x0100_0000n;

const swapped = (port: number): bigint => BigInt(((port & 0xff) << 8) | (port >> 8));
const read = (index: number, offset: number): readonly Item[] => [ldx('w', R7, R9, offset), keep(index, R7)];
/** Family, port, type, protocol and the type that the socket behind the context has. */
const COMMON: readonly Item[] = [
  ...read(0, USER_FAMILY),
  ...read(1, USER_PORT),
  ...read(2, TYPE),
  ...read(3, PROTOCOL),
  ldx('dw', R7, R9, SK),
  ldxField('w', R7, R7, 'bpf_sock.type'),
  keep(4, R7),
];

/** struct sockaddr_in6 of a port of ::1. */
const loopback6 = (port: number): Uint8Array =>
  Uint8Array.from([AF_INET6, 0, port >> 8, port & 0xff, 0, 0, 0, 0, ...new Uint8Array(15), 1, 0, 0, 0, 0]);

const withSocket = async (
  task: Task,
  family: number,
  type: number,
  act: (fd: number) => Promise<number>,
): Promise<number> => {
  const fd = await task.call('socket', [family, type, 0]);
  strictEqual(fd >= 0, true);
  const result = await act(fd);
  await task.call('close', [fd]);
  return result;
};

const ECONNREFUSED = 111;
const PORT = 45_010;

interface Way {
  readonly hook: string;
  readonly family: number;
  readonly type: number;
  readonly act: (host: Host, task: Task) => Promise<number>;
  readonly result: number;
}

const connect6 = (_host: Host, task: Task): Promise<number> =>
  withSocket(task, AF_INET6, SOCK_STREAM, (fd) => task.call('connect', [fd, loopback6(PORT), 28]));
const send = (family: number, address: Uint8Array) => (_host: Host, task: Task) =>
  withSocket(task, family, SOCK_DGRAM, (fd) =>
    task.call('sendto', [fd, Uint8Array.of(1, 2), 2, 0, address, address.length]),
  );
const bind = (family: number, address: Uint8Array) => (_host: Host, task: Task) =>
  withSocket(task, family, SOCK_STREAM, (fd) => task.call('bind', [fd, address, address.length]));

const WAYS: readonly Way[] = [
  { hook: 'cgroup/connect6', family: AF_INET6, type: SOCK_STREAM, act: connect6, result: -ECONNREFUSED },
  { hook: 'cgroup/sendmsg4', family: AF_INET, type: SOCK_DGRAM, act: send(AF_INET, loopback(PORT)), result: 2 },
  { hook: 'cgroup/sendmsg6', family: AF_INET6, type: SOCK_DGRAM, act: send(AF_INET6, loopback6(PORT)), result: 2 },
  { hook: 'cgroup/bind4', family: AF_INET, type: SOCK_STREAM, act: bind(AF_INET, loopback(PORT)), result: 0 },
  { hook: 'cgroup/bind6', family: AF_INET6, type: SOCK_STREAM, act: bind(AF_INET6, loopback6(PORT)), result: 0 },
];

/** What programs for cgroups see of addresses, beside those of connect4. */
export const socketAddressCases = WAYS.flatMap(({ hook, family, type, act, result }) =>
  group(hook, [`hook:${hook}`], {
    'sees the address, and the socket': async (host) => {
      const address = family === AF_INET ? read(5, USER_IP4) : read(5, USER_IP6 + 12);
      const seen = observe(host, hook, 6, [...COMMON, ...address], { allow: 1 });
      strictEqual(await act(host, host.task), result);
      const protocol = type === SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
      const last = family === AF_INET ? LOOPBACK : LAST_OF_LOOPBACK6;
      const expected = [family, Number(swapped(PORT)), type, protocol, type].map(BigInt);
      deepStrictEqual(seen.records(), [[...expected, last]]);
    },
    'is not asked by tasks in other cgroups': async (host) => {
      const seen = observe(host, hook, 1, read(0, TYPE), { allow: 1 });
      strictEqual(await act(host, await host.outsider()), result);
      deepStrictEqual(seen.records(), []);
    },
  }),
);
