import { EPERM } from '../../../engine/maps/index.ts';
import { addressText } from '../../../rules/index.ts';
import { type InetAddress, ipv4Bytes, ipv6Bytes } from '../kernel/addresses.ts';
import { writePointer } from '../kernel/kernel-object.ts';
import type { Socket } from '../kernel/sockets.ts';
import { AF_INET } from '../uapi.ts';
import type { SystemCall } from './call.ts';

/** Members of struct bpf_sock_addr (include/uapi/linux/bpf.h); addresses and port are in network order. */
const [USER_FAMILY, USER_IP4, USER_IP6, USER_PORT, FAMILY, TYPE, PROTOCOL, SK] = [0, 4, 8, 24, 28, 32, 36, 64];

const isBelow = (cgroup: string, top: string): boolean => top === '/' || `${cgroup}/`.startsWith(`${top}/`);

/**
 * Asks the programs of the caller's cgroups where a connection may go (__cgroup_bpf_run_filter_sock_addr of kernel/bpf/cgroup.c): all
 * of them run, each sees what the one before made of the address, and one that returns 0 refuses with -EPERM.
 */
export const askCgroupConnect = (call: SystemCall, from: Socket, to: InetAddress): InetAddress | number => {
  const { machine, task } = call;
  const is4 = from.family === AF_INET;
  const point = machine.hookPoints.attached(is4 ? 'cgroup/connect4' : 'cgroup/connect6');
  if (!point) return to;
  const { view, bytes } = machine.memory;
  const at = point.context;
  view.setUint32(at + USER_FAMILY, from.family, true);
  if (is4) bytes.set(ipv4Bytes(to.address), at + USER_IP4);
  else bytes.set(ipv6Bytes(to.address), at + USER_IP6);
  view.setUint32(at + USER_PORT, 0, true);
  view.setUint16(at + USER_PORT, to.port);
  view.setUint32(at + FAMILY, from.family, true);
  view.setUint32(at + TYPE, from.type, true);
  view.setUint32(at + PROTOCOL, from.protocol, true);
  writePointer(machine.memory, at + SK, from.at);
  let allowed = true;
  for (const { program, cgroup } of point.links) {
    if (!isBelow(task.cgroup, cgroup)) continue;
    program.runs++;
    if ((program.runner.run(at) & 1) === 0) allowed = false;
  }
  if (call.recorded) return to;
  if (!allowed) return -EPERM;
  const address = is4
    ? bytes.subarray(at + USER_IP4, at + USER_IP4 + 4)
    : bytes.subarray(at + USER_IP6, at + USER_IP6 + 16);
  return { address: addressText(address), port: view.getUint16(at + USER_PORT) };
};
