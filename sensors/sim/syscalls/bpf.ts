import { E2BIG, EBADF, EINVAL, ENOENT, EPERM } from '../../../engine/maps/index.ts';
import { PROGRAM_TYPES } from '../../../engine/object/index.ts';
import { CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN } from '../kernel/credentials.ts';
import { OpenFile } from '../kernel/files.ts';
import { Loan } from '../kernel/loan.ts';
import { askSecurity, isAsked } from '../kernel/security.ts';
import { BPF_ATTR } from '../kernel/structs.ts';
import { O_CLOEXEC, O_RDWR } from '../uapi.ts';
import type { CallHandler, SystemCall } from './call.ts';

/** Commands (include/uapi/linux/bpf.h, enum bpf_cmd). */
const [MAP_CREATE, PROG_LOAD, OBJ_PIN, OBJ_GET] = [0, 5, 6, 7];
const LAST_COMMAND = 36;
/** Those that give a descriptor beside the first two, by what it is of. */
const DESCRIPTORS: ReadonlyMap<number, string> = new Map([
  [17, 'bpf_link'],
  [18, 'btf'],
  [28, 'bpf_link'],
  [32, 'bpf-stats'],
  [33, 'bpf_iter'],
]);
/** Those that work on the map whose descriptor is the attribute's first number. */
const ON_MAPS: ReadonlySet<number> = new Set([1, 2, 3, 4, 21, 22, 24, 25, 26, 27]);
/** Those that look for what there is by number, which is the administrator's. */
const BY_NUMBER: ReadonlySet<number> = new Set([11, 12, 13, 14, 19, 23, 30, 31]);

const PAGE = 4096;
const BPF_MAXINSNS = 1_000_000;
/** BPF_MAP_TYPE_ARENA is the last of Linux 6.12. */
const LAST_MAP_TYPE = 33;
const LAST_PROGRAM_TYPE = 32;

/** Program types that need no CAP_BPF where unprivileged users may load any (kernel/bpf/syscall.c). */
const NETWORK_TYPES: ReadonlySet<number> = new Set(
  (
    ['sched_cls', 'xdp', 'cgroup_skb', 'cgroup_sock', 'cgroup_device', 'cgroup_sock_addr', 'cgroup_sockopt'] as const
  ).map((type) => PROGRAM_TYPES[type]),
);
const TRACING_TYPES: ReadonlySet<number> = new Set(
  (['kprobe', 'tracepoint', 'perf_event', 'raw_tracepoint', 'raw_tracepoint_writable', 'tracing', 'lsm'] as const).map(
    (type) => PROGRAM_TYPES[type],
  ),
);

const capable = (call: SystemCall, ...capabilities: readonly number[]): boolean =>
  [...capabilities, CAP_SYS_ADMIN].some((each) => call.machine.permissions.capable(call.task.cred, each));

/** The attribute that the caller passed, zero where it left it out. */
interface Attribute {
  readonly bytes: Uint8Array;
  /** The null pointer with no size stands for an attribute that is fine. */
  readonly isGiven: boolean;
}

const word = ({ bytes }: Attribute, at: number): number =>
  at + 4 <= bytes.length ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(at, true) : 0;

const descriptor = (call: SystemCall, name: string): number => {
  const path = call.machine.files.anonymous('anon_inodefs', name, 0o600, call.task.cred);
  return call.install(new OpenFile(call.machine.memory, path, O_RDWR | O_CLOEXEC), true);
};

const createMap = (call: SystemCall, attribute: Attribute): number => {
  if (!capable(call, CAP_BPF)) return -EPERM;
  const type = word(attribute, 0);
  if (attribute.isGiven && (type === 0 || type > LAST_MAP_TYPE)) return -EINVAL;
  return descriptor(call, 'bpf-map');
};

/** The program itself is not looked at: what processes of the simulation load never runs. */
const loadProgram = (call: SystemCall, attribute: Attribute): number => {
  if (!capable(call, CAP_BPF)) return -EPERM;
  if (!attribute.isGiven) return descriptor(call, 'bpf-prog');
  const [type, count] = [word(attribute, 0), word(attribute, 4)];
  if (count === 0 || count > BPF_MAXINSNS) return -E2BIG;
  if (NETWORK_TYPES.has(type) && !capable(call, CAP_NET_ADMIN)) return -EPERM;
  if (TRACING_TYPES.has(type) && !capable(call, CAP_PERFMON)) return -EPERM;
  return type > LAST_PROGRAM_TYPE || type === 0 ? -EINVAL : descriptor(call, 'bpf-prog');
};

const ask = (call: SystemCall, command: number, attribute: Attribute): number => {
  const { machine } = call;
  if (!isAsked(machine, 'bpf')) return 0;
  const loan = new Loan(machine.memory);
  const at = loan.bytes(Uint8Array.from({ length: BPF_ATTR.size }, (_, index) => attribute.bytes[index] ?? 0));
  const verdict = askSecurity(machine, 'bpf', [command, { at }, attribute.bytes.length]);
  loan.end();
  return verdict;
};

/** bpf(command, attribute, size): kernel.unprivileged_bpf_disabled is 2, so that nothing is made without CAP_BPF (bpf(2)). */
const bpf: CallHandler = (call) => {
  const command = call.int(0);
  const size = call.unsigned(2);
  if (size > PAGE) return -E2BIG;
  const isGiven = !call.isNull(1);
  const given = isGiven ? call.bytes(1) : new Uint8Array(size);
  const attribute = { bytes: given.subarray(0, call.raw(2) === undefined ? undefined : size), isGiven };
  const isOld = call.machine.level === '6.1';
  if (isOld && (command === MAP_CREATE || command === PROG_LOAD) && !capable(call, CAP_BPF)) return -EPERM;
  const verdict = ask(call, command, attribute);
  if (verdict < 0) return verdict;
  if (command === MAP_CREATE) return createMap(call, attribute);
  if (command === PROG_LOAD) return loadProgram(call, attribute);
  if (command < 0 || command > LAST_COMMAND) return -EINVAL;
  if (BY_NUMBER.has(command)) return capable(call) ? -ENOENT : -EPERM;
  if (ON_MAPS.has(command)) return call.task.files.get(word(attribute, 0)) === undefined ? -EBADF : -ENOENT;
  if (command === OBJ_PIN) return 0;
  if (command === OBJ_GET) return -ENOENT;
  const made = DESCRIPTORS.get(command);
  if (!capable(call, CAP_BPF)) return -EPERM;
  return made === undefined ? 0 : descriptor(call, made);
};

/** Programs and maps of the kernel. */
export const bpfCalls: Readonly<Record<string, CallHandler>> = { bpf };
