import { BlockList, isIPv6 } from 'node:net';

const family = (text: string) => (isIPv6(text) ? 'ipv6' : 'ipv4');

/** IPv4 addresses in their IPv6 form are IPv4 addresses. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

const lists = new Map<string, BlockList>();

const listOf = (network: string): BlockList => {
  const known = lists.get(network);
  if (known !== undefined) return known;
  const [base = '', prefix] = network.split('/');
  const list = new BlockList();
  if (prefix === undefined) list.addAddress(plain(base), family(plain(base)));
  else list.addSubnet(base, Number(prefix), family(base));
  lists.set(network, list);
  return list;
};

/** Whether an address is this one, or lies in this network. */
export const inNetwork = (address: string, network: string): boolean => {
  const one = plain(address);
  const isSame = isIPv6(one) === plain(network.split('/')[0] ?? '').includes(':');
  return isSame && listOf(network).check(one, family(one));
};
