import { expect, it } from 'vitest';
import { parseStrace, type RecordedCall } from '../../../sensors/replay/index.ts';
import { endsOf, ownEndOf } from '../../../sensors/replay/sockets.ts';

it.each([
  ['TCP:[127.0.0.1:44790->127.0.0.1:4444]', '127.0.0.1', 44790, '127.0.0.1', 4444],
  ['TCPv6:[[::1]:44790->[2001:db8::1]:80]', '::1', 44790, '2001:db8::1', 80],
  ['UDP:[10.0.0.1:5353->10.0.0.2:53]', '10.0.0.1', 5353, '10.0.0.2', 53],
] as const)('reads %s', (text, own, ownPort, peer, peerPort) => {
  expect(endsOf(text)).toEqual({ own: { address: own, port: ownPort }, peer: { address: peer, port: peerPort } });
});

it.each(['TCP:[98595]', 'TCP:[0.0.0.0:80]', 'UNIX-STREAM:[1->2]', '/tmp/x', undefined])(
  'finds no ends in %s',
  (text) => {
    expect(endsOf(text)).toBeUndefined();
  },
);

const CONNECT =
  '42    connect(3<TCP:[7]>, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.0.0.2")}, 16) = 0';
const LATER = '42    write(3<TCP:[10.0.0.1:5000->10.0.0.2:80]>, "x", 1) = 1';

it.each([
  ['in a later call', [LATER], { address: '10.0.0.1', port: 5000 }],
  ['not after the descriptor was closed', ['42    close(3<TCP:[7]>) = 0', LATER], undefined],
  ['not in another process', [LATER.replace('42', '43')], undefined],
  ['not on another descriptor', [LATER.replace('(3', '(4')], undefined],
] as const)('finds the own end of a connection %s', (_, later, expected) => {
  const { events } = parseStrace(`${[CONNECT, ...later].join('\n')}\n`);
  expect(ownEndOf(events[0] as RecordedCall, events.slice(1))).toEqual(expected);
});
