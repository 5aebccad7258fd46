import type { Random } from '../../../support/random.ts';
import { type Fact, is } from '../language/index.ts';
import { bind, domainOf, FAMILIES, type Known, reach, socket, type World } from '../world/index.ts';
import type { Stage } from './stage.ts';
import { type Literal, solveOne } from './wishes.ts';

/** A socket, bound so that both of its ends are known. */
export const connected = (
  world: World,
  process: Known,
  stage: Stage,
  random: Random,
  literals: readonly Literal[],
  kind: 'connect' | 'sendto',
): number => {
  const ends = stage.addresses.flatMap((address) => stage.ports.map((port) => ({ address, port })));
  const own = random.between(20_000, 29_999);
  const remote = solveOne(
    random,
    literals,
    (field) => /^fd\.[csrl]?(ip|net|port)$|^fd\.sip\.name$/.test(field),
    ends,
    ({ address, port }) => {
      const local = address.startsWith('127.') ? '127.0.0.1' : '10.0.2.15';
      return [
        ...['s', 'r'].flatMap((letter): [string, Fact][] => [
          [`fd.${letter}ip`, is(address)],
          [`fd.${letter}net`, is(address)],
          [`fd.${letter}port`, is(port)],
        ]),
        ['fd.sip.name', domainOf(address)],
        ['fd.ip', is([local, address])],
        ['fd.net', is([local, address])],
        ['fd.port', is([BigInt(own), BigInt(port)])],
      ];
    },
  );
  const udp =
    kind === 'sendto' ||
    solveOne(
      random,
      literals,
      (field) => field === 'fd.l4proto',
      [false, true],
      (one) => [['fd.l4proto', is(one ? 'udp' : 'tcp')]],
    );
  const result = solveOne(
    random,
    literals,
    (field) => ['evt.rawres', 'evt.res', 'evt.failed'].includes(field),
    [0, 0, -115, -111],
    (one) => [
      ['evt.rawres', is(one)],
      ['evt.res', is(one === 0 ? 'SUCCESS' : one === -115 ? 'EINPROGRESS' : 'ECONNREFUSED')],
    ],
  );
  const fd = socket(world, process, FAMILIES.ipv4, udp ? 2 : 1);
  if (fd < 0) return fd;
  bind(world, process, fd, { address: remote.address.startsWith('127.') ? '127.0.0.1' : '10.0.2.15', port: own });
  if (result === 0) world.host.network.declareRemote(remote.address, remote.port);
  reach(world, process, kind, fd, remote, result === 0 ? {} : { recorded: { result } });
  return fd;
};
