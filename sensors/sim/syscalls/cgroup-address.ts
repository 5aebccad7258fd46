import { EPERM } from '../../../engine/maps/index.ts';
import { addressText } from '../../../rules/index.ts';
import { type InetAddress, ipv4Bytes, ipv6Bytes } from '../kernel/addresses.ts';
import { writePointer } from '../kernel/kernel-object.ts';
import type { Socket } from '../kernel/sockets.ts';
import { AF_INET, AF_INET6 } from '../uapi.ts';
import type { SystemCall } from './call.ts';

/** Members of struct bpf_sock_addr (include/uapi/linux/bpf.h); addresses and port are in network order. */
const [USER_FAMILY, USER_IP4, USER_IP6, USER_PORT, FAMILY, TYPE, PROTOCOL, SK] = [0, 4, 8, 24, 28, 32, 36, 64];

/** What a socket call asks its cgroup's programs about. */
type Question = 'connect' | 'sendmsg' | 'bind';

/** What the programs of the caller's cgroups made of an address, and what more they said: for bind, bit 1 lifts CAP_NET_BIND_SERVICE. */
export interface Answer {
  readonly address: InetAddress;
  readonly said: number;
}

/**
 * Asks the programs of the caller's cgroups about an address (__cgroup_bpf_run_filter_sock_addr of kernel/bpf/cgroup.c): all of them
 * run, each sees what the one before made of the address, and one that returns 0 refuses with -EPERM.
 * @param is4 which programs: those of the socket's family, but for datagrams that leave an IPv6 socket as IPv4
 */
export const askCgroup = (
  call: SystemCall,
  question: Question,
  from: Socket,
  to: InetAddress,
  is4 = from.family === AF_INET,
): Answer | number => {
  const { machine, task } = call;
  const point = machine.hooks[`cgroup/${question}${is4 ? 4 : 6}`];
  if (!point.active) return { address: to, said: 0 };
  const { view, bytes } = machine.memory;
  const at = point.context;
  view.setUint32(at + USER_FAMILY, is4 ? AF_INET : AF_INET6, true);
  if (is4) bytes.set(ipv4Bytes(to.address), at + USER_IP4);
  else bytes.set(ipv6Bytes(to.address), at + USER_IP6);
  view.setUint32(at + USER_PORT, 0, true);
  view.setUint16(at + USER_PORT, to.port);
  view.setUint32(at + FAMILY, from.family, true);
  view.setUint32(at + TYPE, from.type, true);
  view.setUint32(at + PROTOCOL, from.protocol, true);
  writePointer(machine.memory, at + SK, from.describe());
  const said = point.runForCgroup(task.cgroupOf);
  if (call.recorded) return { address: to, said };
  if ((said & 1) === 0) return -EPERM;
  const address = is4
    ? bytes.subarray(at + USER_IP4, at + USER_IP4 + 4)
    : bytes.subarray(at + USER_IP6, at + USER_IP6 + 16);
  return { address: { address: addressText(address), port: view.getUint16(at + USER_PORT) }, said };
};
