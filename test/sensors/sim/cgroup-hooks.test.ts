import { describe, expect, it } from 'vitest';
import {
  assemble,
  exit,
  type Item,
  jne,
  label,
  ldx,
  ldxField,
  mov,
  R0,
  R1,
  R2,
  R6,
  R7,
  stx,
} from '../../../engine/isa/index.ts';
import type { HookName } from '../../../engine/object/index.ts';
import { createSimHost, type Link, type SimAddress, type SimHost, type SimTask } from '../../../sensors/index.ts';

const [EPERM, EACCES, ECONNREFUSED, EINVAL] = [1, 13, 111, 22];
const [AF_INET, AF_INET6, SOCK_STREAM, SOCK_DGRAM] = [2, 10, 1, 2];
const [USER_IP4, USER_IP6, USER_PORT, FAMILY, TYPE, PROTOCOL, SK] = [4, 8, 24, 28, 32, 36, 64];
const INSIDE = '/app/web';
const swapped = (port: number): number => ((port & 0xff) << 8) | (port >> 8);

const attach = (host: SimHost, hook: HookName, items: readonly Item[], cgroup = INSIDE): Link =>
  host.kernel.attach(host.kernel.loadProgram({ name: 'test', hook, ...assemble(items) }, new Map()), { cgroup });

const runsOf = (host: SimHost, hook: HookName): number =>
  host.kernel.stats().reduce((sum, each) => sum + (each.hook === hook ? each.runs : 0), 0);

const DENY = [mov(R0, 0), exit()];
const ALLOW = [mov(R0, 1), exit()];
/** Allows only where a word of the context has a value. */
const where = (offset: number, value: number): Item[] => [
  ldx('w', R2, R1, offset),
  mov(R0, 0),
  jne(R2, value, 'out'),
  mov(R0, 1),
  label('out'),
  exit(),
];

const inside = (host: SimHost, cgroup = INSIDE): SimTask => host.spawn({ exepath: '/usr/sbin/nginx', cgroup });
const socket = (host: SimHost, task: SimTask, family: number, type: number): number =>
  host.call(task, 'socket', [family, type, 0]).result;
const nameOf = (host: SimHost, task: SimTask, fd: number): Uint8Array | undefined =>
  host.call(task, 'getsockname', [fd, null, null]).data;

/** A way to ask a hook: what the task does with a new socket, and the socket. */
interface Question {
  readonly hook: HookName;
  readonly family: number;
  readonly type: number;
  readonly to: SimAddress & { readonly port: number };
  readonly act: (host: SimHost, task: SimTask, fd: number) => number;
  readonly allowed: number;
}

const [V4, V6] = ['203.0.113.5', '2001:db8::5'];
const connect = (to: SimAddress) => (host: SimHost, task: SimTask, fd: number) =>
  host.call(task, 'connect', [fd, to]).result;
const sendto = (to: SimAddress) => (host: SimHost, task: SimTask, fd: number) =>
  host.call(task, 'sendto', [fd, 'ping', 4, 0, to]).result;
const bind = (to: SimAddress) => (host: SimHost, task: SimTask, fd: number) => host.call(task, 'bind', [fd, to]).result;

const question = (
  hook: HookName,
  address: string,
  port: number,
  type: number,
  how: (to: SimAddress) => Question['act'],
  allowed = 0,
): Question => {
  const to = { address, port };
  return { hook, family: address.includes(':') ? AF_INET6 : AF_INET, type, to, act: how(to), allowed };
};

const QUESTIONS: readonly Question[] = [
  question('cgroup/connect4', V4, 80, SOCK_STREAM, connect),
  question('cgroup/connect6', V6, 80, SOCK_STREAM, connect),
  question('cgroup/connect4', V4, 80, SOCK_DGRAM, connect),
  question('cgroup/sendmsg4', V4, 9, SOCK_DGRAM, sendto, 4),
  question('cgroup/sendmsg6', V6, 9, SOCK_DGRAM, sendto, 4),
  question('cgroup/bind4', '127.0.0.1', 8080, SOCK_STREAM, bind),
  question('cgroup/bind6', '::1', 8080, SOCK_STREAM, bind),
  question('cgroup/bind4', '127.0.0.1', 5353, SOCK_DGRAM, bind),
];

const fixture = (): SimHost => {
  const host = createSimHost();
  for (const address of [V4, V6]) host.network.declareRemote(address, 80);
  return host;
};

describe.each(QUESTIONS)('$hook, type $type', ({ hook, family, type, to, act, allowed }) => {
  it('refuses with -EPERM, and the socket is as it was', () => {
    const host = fixture();
    attach(host, hook, DENY);
    const task = inside(host);
    const fd = socket(host, task, family, type);
    const before = nameOf(host, task, fd);
    expect(act(host, task, fd)).toBe(-EPERM);
    expect(nameOf(host, task, fd)).toEqual(before);
    expect(host.call(task, 'getpeername', [fd, null, null]).result).toBe(-107);
  });

  it('says in which hook it was refused', () => {
    const host = fixture();
    attach(host, hook, DENY);
    const task = inside(host);
    const fd = socket(host, task, family, type);
    const name = hook.includes('bind') ? 'bind' : hook.includes('connect') ? 'connect' : 'sendto';
    const args = name === 'sendto' ? [fd, 'ping', 4, 0, to] : [fd, to];
    expect(host.call(task, name, args)).toEqual({ result: -EPERM, deniedBy: hook });
  });

  it.each([
    ['family', FAMILY, family],
    ['type', TYPE, type],
    ['protocol', PROTOCOL, type === SOCK_STREAM ? 6 : 17],
    ['port in network order', USER_PORT, swapped(to.port)],
    ['user_family', 0, family],
  ] as const)('sees the %s', (_what, offset, value) => {
    const host = fixture();
    attach(host, hook, where(offset, value));
    const task = inside(host);
    expect(act(host, task, socket(host, task, family, type))).toBe(allowed);
  });

  it('sees the address', () => {
    const host = fixture();
    const first =
      family === AF_INET ? Buffer.from(('address' in to ? to.address : '').split('.').map(Number)) : undefined;
    const word = first
      ? first.readInt32LE(0)
      : (to as { address: string }).address === '::1'
        ? 0x0100_0000
        : 0x0500_0000;
    attach(host, hook, where(family === AF_INET ? USER_IP4 : USER_IP6 + 12, word));
    const task = inside(host);
    expect(act(host, task, socket(host, task, family, type))).toBe(allowed);
  });

  it('finds the socket behind the context', () => {
    const host = fixture();
    attach(host, hook, [
      ldx('dw', R6, R1, SK),
      ldxField('w', R7, R6, 'bpf_sock.type'),
      mov(R0, 0),
      jne(R7, type, 'out'),
      mov(R0, 1),
      label('out'),
      exit(),
    ]);
    const task = inside(host);
    expect(act(host, task, socket(host, task, family, type))).toBe(allowed);
  });

  it('is not asked by tasks beside and above its cgroup, and is by those below', () => {
    const host = fixture();
    attach(host, hook, DENY);
    for (const cgroup of ['/app', '/app/website', '/other', '/']) {
      const task = inside(host, cgroup);
      expect(act(host, task, socket(host, task, family, type)), cgroup).toBe(allowed);
      host.end(task, { status: 0 });
    }
    expect(runsOf(host, hook)).toBe(0);
    const below = inside(host, `${INSIDE}/worker`);
    expect(act(host, below, socket(host, below, family, type))).toBe(-EPERM);
  });

  it('runs all programs, from the own cgroup upwards, and any of them refuses', () => {
    const host = fixture();
    const set = (port: number): Item[] => [mov(R2, swapped(port)), stx('w', R1, USER_PORT, R2), ...ALLOW];
    attach(host, hook, where(USER_PORT, swapped(81)), '/');
    attach(host, hook, [...where(USER_PORT, swapped(82)).slice(0, -1), ...set(81).slice(0, 2), exit()], '/app');
    attach(host, hook, set(82));
    const task = inside(host);
    const fd = socket(host, task, family, type);
    const result = act(host, task, fd);
    expect(result).not.toBe(-EPERM);
    expect(runsOf(host, hook)).toBe(3);
    attach(host, hook, DENY, '/');
    expect(act(host, task, socket(host, task, family, type))).toBe(-EPERM);
    expect(runsOf(host, hook)).toBe(7);
  });

  it('is passed by when it is detached', () => {
    const host = fixture();
    host.kernel.detach(attach(host, hook, DENY));
    const task = inside(host);
    expect(act(host, task, socket(host, task, family, type))).toBe(allowed);
  });

  it('is shown what was recorded, and refuses nothing of it', () => {
    const host = fixture();
    attach(host, hook, DENY);
    const task = inside(host);
    const fd = socket(host, task, family, type);
    const name = hook.includes('bind') ? 'bind' : hook.includes('connect') ? 'connect' : 'sendto';
    const args = name === 'sendto' ? [fd, 'ping', 4, 0, to] : [fd, to];
    expect(host.call(task, name, args, { recorded: { result: allowed } })).toEqual({ result: allowed });
    expect(runsOf(host, hook)).toBe(1);
  });
});

describe('what programs for cgroups write', () => {
  const redirect = (port: number): Item[] => [
    mov(R2, 0x0100_007f),
    stx('w', R1, USER_IP4, R2),
    mov(R2, swapped(port)),
    stx('w', R1, USER_PORT, R2),
    ...ALLOW,
  ];
  const listener = (host: SimHost, type: number): number => {
    const fd = socket(host, host.root, AF_INET, type);
    expect(host.call(host.root, 'bind', [fd, { address: '127.0.0.1', port: 7000 }]).result).toBe(0);
    if (type === SOCK_STREAM) expect(host.call(host.root, 'listen', [fd, 4]).result).toBe(0);
    return fd;
  };

  it('sends a connection elsewhere, and the peer is where it went', () => {
    const host = fixture();
    listener(host, SOCK_STREAM);
    attach(host, 'cgroup/connect4', redirect(7000));
    const task = inside(host);
    const fd = socket(host, task, AF_INET, SOCK_STREAM);
    expect(connect({ address: '198.51.100.1', port: 9 })(host, task, fd)).toBe(0);
    expect(host.call(task, 'getpeername', [fd, null, null]).data).toEqual(
      Uint8Array.of(2, 0, 0x1b, 0x58, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    );
  });

  it('sends a message elsewhere', () => {
    const host = fixture();
    const fd = listener(host, SOCK_DGRAM);
    attach(host, 'cgroup/sendmsg4', redirect(7000));
    const task = inside(host);
    expect(sendto({ address: '198.51.100.1', port: 9 })(host, task, socket(host, task, AF_INET, SOCK_DGRAM))).toBe(4);
    const got = host.call(host.root, 'recvfrom', [fd, null, 10, 0, null, null]);
    expect(got.data).toEqual(new TextEncoder().encode('ping'));
    expect(got.from).toMatchObject({ address: '127.0.0.1' });
  });

  it('may not give a message port 0 (udp_sendmsg)', () => {
    const host = fixture();
    attach(host, 'cgroup/sendmsg4', [mov(R2, 0), stx('w', R1, USER_PORT, R2), ...ALLOW]);
    const task = inside(host);
    expect(sendto({ address: V4, port: 9 })(host, task, socket(host, task, AF_INET, SOCK_DGRAM))).toBe(-EINVAL);
  });

  it('binds to another port', () => {
    const host = fixture();
    attach(host, 'cgroup/bind4', redirect(7001));
    const task = inside(host);
    const fd = socket(host, task, AF_INET, SOCK_STREAM);
    expect(bind({ address: '0.0.0.0', port: 80 })(host, task, fd)).toBe(0);
    expect(nameOf(host, task, fd)?.slice(2, 8)).toEqual(Uint8Array.of(0x1b, 0x59, 127, 0, 0, 1));
  });
});

describe('cgroup/bind4', () => {
  it('lifts the capability for low ports with bit 1 of its result (BPF_RET_BIND_NO_CAP_NET_BIND_SERVICE)', () => {
    const host = fixture();
    const task = host.spawn({ exepath: '/usr/sbin/nginx', uid: 1000, cgroup: INSIDE });
    const low = (): number =>
      bind({ address: '127.0.0.1', port: 80 })(host, task, socket(host, task, AF_INET, SOCK_STREAM));
    expect(low()).toBe(-EACCES);
    const link = attach(host, 'cgroup/bind4', [mov(R0, 3), exit()]);
    expect(low()).toBe(0);
    host.kernel.detach(link);
    attach(host, 'cgroup/bind4', [mov(R0, 2), exit()]);
    expect(low()).toBe(-EPERM);
  });
});

describe('who is not asked', () => {
  it('a message to the peer of a connected socket, and a Unix socket', () => {
    const host = fixture();
    attach(host, 'cgroup/sendmsg4', DENY);
    attach(host, 'cgroup/connect4', ALLOW);
    const task = inside(host);
    const fd = socket(host, task, AF_INET, SOCK_DGRAM);
    expect(connect({ address: V4, port: 9 })(host, task, fd)).toBe(0);
    expect(host.call(task, 'write', [fd, 'ping', 4]).result).toBe(4);
    expect(sendto({ address: V4, port: 9 })(host, task, fd)).toBe(-EPERM);
    const unix = socket(host, task, 1, SOCK_STREAM);
    expect(connect({ path: '@nobody' })(host, task, unix)).toBe(-ECONNREFUSED);
    expect(runsOf(host, 'cgroup/connect4')).toBe(1);
  });

  it('an IPv6 socket that sends to an IPv4 address asks the programs for IPv4', () => {
    const host = fixture();
    attach(host, 'cgroup/sendmsg4', DENY);
    attach(host, 'cgroup/sendmsg6', ALLOW);
    const task = inside(host);
    expect(sendto({ address: `::ffff:${V4}`, port: 9 })(host, task, socket(host, task, AF_INET6, SOCK_DGRAM))).toBe(
      -EPERM,
    );
    expect(runsOf(host, 'cgroup/sendmsg6')).toBe(0);
  });
});

describe('programs for cgroups that are no good', () => {
  it('return what the hook has no meaning for', () => {
    const load = (hook: HookName, value: number) =>
      createSimHost().kernel.loadProgram({ name: 'test', hook, ...assemble([mov(R0, value), exit()]) }, new Map());
    expect(() => load('cgroup/connect4', 2)).toThrow();
    expect(() => load('cgroup/sendmsg6', 2)).toThrow();
    expect(() => load('cgroup/bind6', 4)).toThrow();
    expect(load('cgroup/bind6', 3).hook).toBe('cgroup/bind6');
  });

  it('attach to no cgroup', () => {
    const { kernel } = createSimHost();
    const program = kernel.loadProgram({ name: 'test', hook: 'cgroup/sendmsg4', ...assemble(ALLOW) }, new Map());
    expect(() => kernel.attach(program)).toThrow(
      'program "test" (cgroup/sendmsg4): programs of this kind attach to a cgroup; say which',
    );
  });
});
