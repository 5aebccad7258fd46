import { describe, expect, it } from 'vitest';
import {
  type CgroupArray,
  createMap,
  E2BIG,
  EAGAIN,
  EEXIST,
  EFAULT,
  EINVAL,
  ENAMETOOLONG,
  ENOENT,
  EOPNOTSUPP,
  EOVERFLOW,
  EPERM,
  isRingBuffer,
  type PerfEventArray,
} from '../../../engine/maps/index.ts';
import type { MapSpec } from '../../../engine/object/index.ts';
import { helperByName, helperFor, Memory, mayCall, type Sysctl, type VmEnvironment } from '../../../engine/vm/index.ts';
import { testEnvironment } from '../../support/environment.ts';
import { bytesAt, call, put, textAt } from './call-helper.ts';

const zeros = (n: number): number[] => new Array(n).fill(0);
const words = (memory: Memory, address: bigint, count: number): bigint[] => [
  ...new BigUint64Array(bytesAt(memory, address, 8 * count).buffer),
];

describe('who may call', () => {
  const may = (
    name: string,
    programType: Parameters<typeof mayCall>[1]['programType'],
    attachType?: number,
    hook?: string,
  ) =>
    mayCall(helperByName(`bpf_${name}`)!, {
      programType,
      ...(attachType === undefined ? {} : { attachType }),
      ...(hook === undefined ? {} : { name: hook }),
    });

  it('depends on type, attach type and hook', () => {
    expect(may('map_lookup_elem', 'xdp')).toBe(true);
    expect(may('override_return', 'kprobe')).toBe(true);
    expect(may('override_return', 'tracing')).toBe(false);
    expect(may('seq_write', 'tracing', 28)).toBe(true);
    expect(may('seq_write', 'tracing', 23)).toBe(false);
    expect(may('get_func_arg', 'tracing', 24)).toBe(true);
    expect(may('get_func_arg', 'tracing', 23)).toBe(false);
    expect(may('bind', 'cgroup_sock_addr', 10)).toBe(true);
    expect(may('bind', 'cgroup_sock_addr', 14)).toBe(false);
    expect(may('get_func_arg', 'lsm', 27)).toBe(true);
    expect(may('get_func_arg', 'lsm', 43)).toBe(false);
    expect(may('d_path', 'tracing', 24)).toBe(true);
    expect(may('d_path', 'tracing', 23)).toBe(false);
    expect(may('d_path', 'tracing', 24, 'fentry/vfs_truncate')).toBe(true);
    expect(may('d_path', 'tracing', 24, 'fentry/vfs_read')).toBe(false);
    expect(may('d_path', 'tracing', 28, 'iter/task')).toBe(true);
    expect(may('d_path', 'lsm', 27, 'lsm.s/file_open')).toBe(true);
    expect(may('bprm_opts_set', 'lsm', 27)).toBe(true);
    expect(may('bprm_opts_set', 'tracing', 24)).toBe(false);
  });

  it('a helper may take something else in other types', () => {
    const cookie = helperByName('bpf_get_socket_cookie')!;
    expect(helperFor(cookie, 'cgroup_skb').arguments).toEqual(['context']);
    expect(helperFor(cookie, 'tracing').arguments).toEqual(['socket']);
    expect(helperFor(cookie, 'cgroup_skb')).toBe(cookie);
  });
});

describe('storage', () => {
  const memory = new Memory(1 << 20);
  const spec: MapSpec = { name: 's', type: 'task_storage', keySize: 4, valueSize: 8, maxEntries: 0, flags: 1 };
  const map = createMap(memory, { ...spec, btf: { key: 1, value: 2 } }, 5);
  const environment = testEnvironment({ memory }, [map]);
  const task = memory.address(memory.allocate(64));
  const first = put(memory, [7, 0, 0, 0, 0, 0, 0, 0]);

  it('of a task is made where that is asked for, and goes when it is deleted', () => {
    expect(call(environment, 'bpf_task_storage_get', 5, task, 0, 0)).toBe(0n);
    expect(call(environment, 'bpf_task_storage_get', 5, 0, 0, 1)).toBe(0n);
    expect(call(environment, 'bpf_task_storage_get', 5, task, 0, 2)).toBe(0n);
    const value = BigInt.asUintN(64, call(environment, 'bpf_task_storage_get', 5, task, first, 1));
    expect(words(memory, value, 1)).toEqual([7n]);
    expect(BigInt.asUintN(64, call(environment, 'bpf_task_storage_get', 5, task, 0, 0))).toBe(value);
    expect(call(environment, 'bpf_task_storage_delete', 5, task)).toBe(0n);
    expect(call(environment, 'bpf_task_storage_delete', 5, task)).toBe(BigInt(-ENOENT));
    expect(call(environment, 'bpf_task_storage_delete', 5, 0)).toBe(BigInt(-EINVAL));
  });
});

describe('maps without keys', () => {
  const memory = new Memory(1 << 20);
  const queue = createMap(memory, { name: 'q', type: 'queue', keySize: 0, valueSize: 8, maxEntries: 2 }, 5);
  const environment = testEnvironment({ memory }, [queue]);
  const [a, b] = [put(memory, [1, ...zeros(7)]), put(memory, [2, ...zeros(7)])];
  const out = put(memory, zeros(8));

  it('are pushed, peeked and popped', () => {
    expect(call(environment, 'bpf_map_pop_elem', 5, out)).toBe(BigInt(-ENOENT));
    expect(call(environment, 'bpf_map_push_elem', 5, a, 0)).toBe(0n);
    expect(call(environment, 'bpf_map_push_elem', 5, b, 0)).toBe(0n);
    expect(call(environment, 'bpf_map_push_elem', 5, b, 0)).toBe(BigInt(-E2BIG));
    expect(call(environment, 'bpf_map_peek_elem', 5, out)).toBe(0n);
    expect(words(memory, out, 1)).toEqual([1n]);
    expect(call(environment, 'bpf_map_pop_elem', 5, out)).toBe(0n);
    expect(call(environment, 'bpf_map_pop_elem', 5, out)).toBe(0n);
    expect(words(memory, out, 1)).toEqual([2n]);
    expect(() => call(environment, 'bpf_map_lookup_percpu_elem', 5, a, 0)).toThrow(
      'bpf_map_lookup_percpu_elem: map "q" of type queue is of the wrong type',
    );
  });
});

describe('ring buffers', () => {
  const memory = new Memory(1 << 20);
  const ring = createMap(memory, { name: 'r', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 }, 3);
  const environment = testEnvironment({ memory }, [ring]);
  const data = put(memory, 'shrike');
  const dynptr = put(memory, zeros(16));
  const query = (flags: number) => call(environment, 'bpf_ringbuf_query', 3, flags);

  it('say how full they are', () => {
    expect([0, 1, 2, 3, 4].map(query)).toEqual([0n, 4096n, 0n, 0n, 0n]);
    call(environment, 'bpf_ringbuf_output', 3, data, 6, 0);
    expect([0, 1, 2, 3].map(query)).toEqual([16n, 4096n, 0n, 16n]);
    if (isRingBuffer(ring)) ring.consume(() => {});
    expect([0, 1, 2, 3].map(query)).toEqual([0n, 4096n, 16n, 16n]);
  });

  it('give out records as dynptrs', () => {
    expect(call(environment, 'bpf_ringbuf_reserve_dynptr', 3, 6, 1, dynptr)).toBe(BigInt(-EINVAL));
    expect(call(environment, 'bpf_ringbuf_reserve_dynptr', 3, 1 << 24, 0, dynptr)).toBe(BigInt(-E2BIG));
    expect(call(environment, 'bpf_ringbuf_reserve_dynptr', 3, 5000, 0, dynptr)).toBe(BigInt(-EINVAL));
    expect(call(environment, 'bpf_dynptr_write', dynptr, 0, data, 6, 0)).toBe(BigInt(-EINVAL));
    expect(call(environment, 'bpf_ringbuf_submit_dynptr', dynptr, 0)).toBe(0n);
    expect(call(environment, 'bpf_ringbuf_reserve_dynptr', 3, 6, 0, dynptr)).toBe(0n);
    expect(call(environment, 'bpf_dynptr_write', dynptr, 0, data, 7, 0)).toBe(BigInt(-E2BIG));
    expect(call(environment, 'bpf_dynptr_write', dynptr, 0, data, 6, 0)).toBe(0n);
    expect(call(environment, 'bpf_ringbuf_submit_dynptr', dynptr, 0)).toBe(0n);
    const records: string[] = [];
    if (isRingBuffer(ring)) ring.consume((record: Uint8Array) => records.push(new TextDecoder().decode(record)));
    expect(records).toEqual(['shrike']);
  });
});

describe('events and call chains', () => {
  const memory = new Memory(1 << 20);
  const events = createMap(memory, { name: 'e', type: 'perf_event_array', keySize: 4, valueSize: 4, maxEntries: 2 }, 5);
  const stacks = createMap(memory, { name: 't', type: 'stack_trace', keySize: 4, valueSize: 32, maxEntries: 8 }, 6);
  const chain = [0xffff_ffff_8100_0001n, 0xffff_ffff_8100_0002n, 0xffff_ffff_8100_0003n];
  const environment = testEnvironment({ memory, stack: (user) => (user ? undefined : chain) }, [events, stacks]);
  const context = put(memory, zeros(8));
  const data = put(memory, 'event');

  it('bpf_perf_event_output hands data to the reader of a slot that is open', () => {
    const output = (flags: bigint | number) => call(environment, 'bpf_perf_event_output', context, 5, flags, data, 5);
    expect(output(0xffff_ffff)).toBe(BigInt(-ENOENT));
    (events as PerfEventArray).open(0);
    expect(output(0xffff_ffff)).toBe(0n);
    expect(output(2)).toBe(BigInt(-E2BIG));
    expect(output(1n << 60n)).toBe(BigInt(-EINVAL));
    const seen: string[] = [];
    (events as PerfEventArray).consume((record) => seen.push(new TextDecoder().decode(record.subarray(0, 5))));
    expect(seen).toEqual(['event']);
    expect(call(environment, 'bpf_perf_event_read', 5, 2)).toBe(BigInt(-E2BIG));
    expect(call(environment, 'bpf_perf_event_read', 5, 0)).toBe(BigInt(-ENOENT));
  });

  it('bpf_get_stack and bpf_get_task_stack copy a chain, cut to the buffer', () => {
    const buffer = put(memory, zeros(32));
    const get = (size: number, flags: number) => call(environment, 'bpf_get_stack', context, buffer, size, flags);
    expect(get(32, 0)).toBe(24n);
    expect(words(memory, buffer, 4)).toEqual([...chain, 0n]);
    expect(get(16, 1)).toBe(16n);
    expect(words(memory, buffer, 2)).toEqual(chain.slice(1));
    expect(get(32, 4)).toBe(BigInt(-EFAULT));
    expect(words(memory, buffer, 4)).toEqual([0n, 0n, 0n, 0n]);
    expect(get(32, 256)).toBe(BigInt(-EFAULT));
    expect(get(31, 0)).toBe(BigInt(-EINVAL));
    expect(get(32, 2048)).toBe(BigInt(-EINVAL));
    expect(get(32, 4096)).toBe(BigInt(-EINVAL));
    expect(call(environment, 'bpf_get_task_stack', context, buffer, 8, 0)).toBe(8n);
  });

  it('bpf_get_stackid keeps a chain by what it holds', () => {
    const id = call(environment, 'bpf_get_stackid', context, 6, 0);
    expect(id).toBeGreaterThanOrEqual(0n);
    expect([id, BigInt(-EEXIST)]).toContain(call(environment, 'bpf_get_stackid', context, 6, 0));
    expect(call(environment, 'bpf_get_stackid', context, 6, 256)).toBe(BigInt(-EFAULT));
    expect(call(environment, 'bpf_get_stackid', context, 6, 1n << 33n)).toBe(BigInt(-EINVAL));
  });
});

describe('the task and its surroundings', () => {
  const memory = new Memory(1 << 20);
  const cgroups = createMap(memory, { name: 'c', type: 'cgroup_array', keySize: 4, valueSize: 4, maxEntries: 2 }, 5);
  const inside = { ...cgroups, cgroupAt: (index: number) => (index === 0 ? 0x1234n : undefined) } as CgroupArray;
  const bare = testEnvironment({ memory });
  const buffer = put(memory, zeros(64));

  it('bpf_current_task_under_cgroup', () => {
    const under = (environment: VmEnvironment, index: number) =>
      call(environment, 'bpf_current_task_under_cgroup', 5, index);
    const environment = testEnvironment({ memory, isUnderCgroup: (cgroup) => cgroup === 0x1234n }, [inside]);
    expect([0, 1, 2].map((index) => under(environment, index))).toEqual([1n, BigInt(-EAGAIN), BigInt(-E2BIG)]);
    expect(under(testEnvironment({ memory }, [inside]), 0)).toBe(0n);
  });

  it('bpf_get_ns_current_pid_tgid', () => {
    const pidNamespace = () => ({ device: 4n, inode: 0xf000_0000n, pid: 11, tgid: 10 });
    const environment = testEnvironment({ memory, pidNamespace });
    const get = (...args: (number | bigint)[]) => call(environment, 'bpf_get_ns_current_pid_tgid', ...args);
    expect(get(4, 0xf000_0000n, buffer, 8)).toBe(0n);
    expect([...new Uint32Array(bytesAt(memory, buffer, 8).buffer)]).toEqual([11, 10]);
    expect(get(4, 1, buffer, 8)).toBe(BigInt(-EINVAL));
    expect([...bytesAt(memory, buffer, 8)]).toEqual(zeros(8));
    expect(get(4, 0xf000_0000n, buffer, 9)).toBe(BigInt(-EINVAL));
    expect(call(bare, 'bpf_get_ns_current_pid_tgid', 4, 1, buffer, 8)).toBe(BigInt(-EINVAL));
  });

  it('clocks, CPU and counters have plain values where the environment has none of its own', () => {
    const environment = testEnvironment({
      monotonicNs: () => 5_000_001n,
      taiNs: () => 9n,
      currentCpu: () => 3,
      numaNode: () => 1,
    });
    expect(call(environment, 'bpf_ktime_get_ns')).toBe(5_000_001n);
    expect(call(environment, 'bpf_ktime_get_coarse_ns')).toBe(4_000_000n);
    expect(call(environment, 'bpf_ktime_get_tai_ns')).toBe(9n);
    expect(call(environment, 'bpf_get_smp_processor_id')).toBe(3n);
    expect(call(environment, 'bpf_get_numa_node_id')).toBe(1n);
    expect(call(bare, 'bpf_ktime_get_ns')).toBe(1_000_000_000n);
    expect(call(bare, 'bpf_jiffies64')).toBe(2n ** 32n - 75_000n + 250n);
    expect(call(bare, 'bpf_get_cgroup_classid')).toBe(0n);
    expect(call(bare, 'bpf_task_pt_regs', 0)).toBe(0n);
  });

  it('bpf_d_path writes a path that fits', () => {
    const environment = testEnvironment({ memory, path: (address) => (address === 0x10n ? '/etc/shadow' : undefined) });
    expect(call(environment, 'bpf_d_path', 0x10, buffer, 64)).toBe(12n);
    expect(textAt(memory, buffer, 12)).toBe('/etc/shadow\0');
    expect(call(environment, 'bpf_d_path', 0x10, buffer, 11)).toBe(BigInt(-ENAMETOOLONG));
    expect(call(environment, 'bpf_d_path', 0x10, buffer, 0)).toBe(0n);
    expect(call(bare, 'bpf_d_path', 0x10, buffer, 64)).toBe(BigInt(-EINVAL));
  });

  it('bpf_copy_from_user and bpf_copy_from_user_task read pages in, bpf_probe_write_user writes', () => {
    const written: [bigint, Uint8Array][] = [];
    const environment = testEnvironment({
      memory,
      currentTask: () => 0x70n,
      readUser: () => undefined,
      readTask: (task, address, length) =>
        address === 0x1000n ? new Uint8Array(length).fill(Number(task) & 0xff) : undefined,
      writeUser: (address, bytes) => {
        written.push([address, bytes]);
        return address === 0n ? -EFAULT : 0;
      },
    });
    expect(call(environment, 'bpf_copy_from_user', buffer, 4, 0x1000)).toBe(0n);
    expect([...bytesAt(memory, buffer, 4)]).toEqual([0x70, 0x70, 0x70, 0x70]);
    expect(call(environment, 'bpf_copy_from_user_task', buffer, 4, 0x1000, 0x71, 0)).toBe(0n);
    expect([...bytesAt(memory, buffer, 4)]).toEqual([0x71, 0x71, 0x71, 0x71]);
    expect(call(environment, 'bpf_copy_from_user_task', buffer, 4, 0x1000, 0x71, 1)).toBe(BigInt(-EINVAL));
    expect(call(environment, 'bpf_copy_from_user', buffer, 4, 0x2000)).toBe(BigInt(-EFAULT));
    expect([...bytesAt(memory, buffer, 4)]).toEqual(zeros(4));
    expect(call(bare, 'bpf_copy_from_user', buffer, 4, 0x1000)).toBe(BigInt(-EFAULT));
    expect(call(environment, 'bpf_probe_write_user', 0x1000, put(memory, 'hi'), 2)).toBe(0n);
    expect(call(environment, 'bpf_probe_write_user', 0, put(memory, 'hi'), 2)).toBe(BigInt(-EFAULT));
    expect(written[0]).toEqual([0x1000n, new TextEncoder().encode('hi')]);
    expect(call(bare, 'bpf_probe_write_user', 0x1000, put(memory, 'hi'), 2)).toBe(BigInt(-EPERM));
  });

  it('the older bpf_probe_read goes by the address', () => {
    const environment = testEnvironment({ memory, readUser: (_, length) => new Uint8Array(length).fill(0x75) });
    expect(call(environment, 'bpf_probe_read', buffer, 2, 0x1000)).toBe(0n);
    expect(textAt(memory, buffer, 2)).toBe('uu');
    expect(call(environment, 'bpf_probe_read', buffer, 2, put(memory, 'k!'))).toBe(0n);
    expect(textAt(memory, buffer, 2)).toBe('k!');
    expect(call(environment, 'bpf_probe_read_str', buffer, 8, put(memory, 'ke\0'))).toBe(3n);
  });

  it('bpf_get_func_arg and bpf_get_func_ret read the row of arguments', () => {
    const context = put(memory, [...[1, 2, 3].flatMap((n) => [n, ...zeros(7)])]);
    const entry = testEnvironment({ memory, functionArguments: () => ({ count: 2, hasResult: false }) });
    const exit = testEnvironment({ memory, functionArguments: () => ({ count: 2, hasResult: true }) });
    expect(call(entry, 'bpf_get_func_arg_cnt', context)).toBe(2n);
    expect(call(entry, 'bpf_get_func_arg', context, 1, buffer)).toBe(0n);
    expect(words(memory, buffer, 1)).toEqual([2n]);
    expect(call(entry, 'bpf_get_func_arg', context, 2, buffer)).toBe(BigInt(-EINVAL));
    expect(call(entry, 'bpf_get_func_ret', context, buffer)).toBe(BigInt(-EOPNOTSUPP));
    expect(call(exit, 'bpf_get_func_ret', context, buffer)).toBe(0n);
    expect(words(memory, buffer, 1)).toEqual([3n]);
  });

  it('what an iterator prints goes to its reader', () => {
    const texts: string[] = [];
    const environment = testEnvironment({ memory, sequence: (text) => texts.push(new TextDecoder().decode(text)) * 0 });
    const format = put(memory, 'pid %d of %s\n\0');
    const args = put(memory, [42, ...zeros(7), ...new Uint8Array(new BigUint64Array([put(memory, 'init\0')]).buffer)]);
    expect(call(environment, 'bpf_seq_printf', 0, format, 14, args, 16)).toBe(0n);
    expect(call(environment, 'bpf_seq_write', 0, put(memory, 'raw'), 3)).toBe(0n);
    expect(texts).toEqual(['pid 42 of init\n', 'raw']);
    expect(call(environment, 'bpf_seq_printf', 0, format, 14, args, 15)).toBe(BigInt(-EINVAL));
    expect(call(bare, 'bpf_seq_write', 0, put(memory, 'raw'), 3)).toBe(BigInt(-EOVERFLOW));
  });

  it('kernel symbols are looked up by name, and printed', () => {
    const environment = testEnvironment({
      memory,
      symbol: (address) => (address === 0x99n ? 'do_sys_open+0x9/0x80' : undefined),
      symbolAddress: (name) => (name === 'do_sys_open' ? 0x90n : undefined),
    });
    const name = put(memory, 'do_sys_open\0');
    expect(call(environment, 'bpf_kallsyms_lookup_name', name, 12, 0, buffer)).toBe(0n);
    expect(words(memory, buffer, 1)).toEqual([0x90n]);
    expect(call(environment, 'bpf_kallsyms_lookup_name', name, 11, 0, buffer)).toBe(BigInt(-EINVAL));
    expect(call(environment, 'bpf_kallsyms_lookup_name', name, 12, 1, buffer)).toBe(BigInt(-EINVAL));
    expect(call(environment, 'bpf_kallsyms_lookup_name', put(memory, 'x\0'), 2, 0, buffer)).toBe(BigInt(-ENOENT));
    const format = put(memory, '%pS %ps %pB\0');
    const args = put(memory, [0x99, ...zeros(7), 0x99, ...zeros(7), 0x55, ...zeros(7)]);
    const length = call(environment, 'bpf_snprintf', buffer, 64, format, args, 24);
    expect(textAt(memory, buffer, Number(length))).toBe('do_sys_open+0x9/0x80 do_sys_open 0x55\0');
  });
});

describe('cgroup programs', () => {
  const memory = new Memory(1 << 20);
  const buffer = put(memory, zeros(32));
  const bare = testEnvironment({ memory });
  const context = put(memory, zeros(8));

  it('read and replace what is written to a sysctl', () => {
    const bytes = (text: string) => new TextEncoder().encode(text);
    const sysctl: Sysctl = { name: 'net/ipv4/tcp_mem', current: bytes('1 2 3\n'), written: bytes('4 5 6') };
    const environment = testEnvironment({ memory, sysctl });
    expect(call(environment, 'bpf_sysctl_get_name', context, buffer, 32, 0)).toBe(16n);
    expect(textAt(memory, buffer, 17)).toBe('net/ipv4/tcp_mem\0');
    expect(call(environment, 'bpf_sysctl_get_name', context, buffer, 32, 1)).toBe(7n);
    expect(textAt(memory, buffer, 8)).toBe('tcp_mem\0');
    expect(call(environment, 'bpf_sysctl_get_name', context, buffer, 4, 1)).toBe(BigInt(-E2BIG));
    expect(textAt(memory, buffer, 4)).toBe('tcp\0');
    expect(call(environment, 'bpf_sysctl_get_current_value', context, buffer, 32)).toBe(6n);
    expect(textAt(memory, buffer, 8)).toBe('1 2 3\n\0\0');
    expect(call(environment, 'bpf_sysctl_get_current_value', context, buffer, 6)).toBe(BigInt(-E2BIG));
    expect(textAt(memory, buffer, 6)).toBe('1 2 3\0');
    expect(call(environment, 'bpf_sysctl_get_new_value', context, buffer, 32)).toBe(5n);
    expect(call(environment, 'bpf_sysctl_set_new_value', context, put(memory, '7'), 1)).toBe(0n);
    expect(sysctl.replacement).toEqual(bytes('7'));
    expect(call(bare, 'bpf_sysctl_get_new_value', context, buffer, 32)).toBe(BigInt(-EINVAL));
    expect(call(bare, 'bpf_sysctl_set_new_value', context, put(memory, '7'), 1)).toBe(BigInt(-EINVAL));
  });

  it('read and change what the hook returns', () => {
    const hookResult = { value: -1 };
    const environment = testEnvironment({ memory, hookResult });
    expect(call(environment, 'bpf_get_retval')).toBe(-1n);
    expect(call(environment, 'bpf_set_retval', 1)).toBe(BigInt(-EFAULT));
    expect(call(environment, 'bpf_set_retval', -4096)).toBe(BigInt(-EFAULT));
    expect(call(environment, 'bpf_set_retval', -13)).toBe(0n);
    expect(hookResult.value).toBe(-13);
    expect(call(bare, 'bpf_get_retval')).toBe(0n);
    expect(call(bare, 'bpf_set_retval', 0)).toBe(BigInt(-EINVAL));
  });

  it('get, set and bind through the environment', () => {
    const calls: unknown[] = [];
    const environment = testEnvironment({
      memory,
      getSocketOption: (level, option, value) => {
        value[0] = 9;
        return level === 1 && option === 15 ? 0 : -ENOENT;
      },
      setSocketOption: (...args) => calls.push(args) * 0,
      bindSocket: (address) => calls.push(address.length) * 0,
      socketCookie: (address) => address + 1n,
    });
    expect(call(environment, 'bpf_getsockopt', context, 1, 15, buffer, 4)).toBe(0n);
    expect([...bytesAt(memory, buffer, 2)]).toEqual([9, 0]);
    expect(call(environment, 'bpf_getsockopt', context, 1, 16, buffer, 4)).toBe(BigInt(-ENOENT));
    expect([...bytesAt(memory, buffer, 2)]).toEqual([0, 0]);
    expect(call(environment, 'bpf_setsockopt', context, -1, 15, buffer, 4)).toBe(0n);
    expect(call(environment, 'bpf_bind', context, buffer, 16)).toBe(0n);
    expect(calls).toEqual([[-1, 15, new Uint8Array(4)], 16]);
    expect(call(environment, 'bpf_get_socket_cookie', 0x10)).toBe(0x11n);
    expect(call(bare, 'bpf_getsockopt', context, 1, 15, buffer, 4)).toBe(BigInt(-EINVAL));
    expect(call(bare, 'bpf_bind', context, buffer, 16)).toBe(BigInt(-EINVAL));
    expect(call(bare, 'bpf_get_socket_cookie', context)).toBe(0n);
    expect(call(bare, 'bpf_get_netns_cookie', context)).toBe(1n);
    expect(call(bare, 'bpf_get_socket_uid', context)).toBe(65_534n);
    expect(call(bare, 'bpf_skb_ancestor_cgroup_id', context, -1)).toBe(0n);
  });
});

describe('packets', () => {
  const memory = new Memory(1 << 20);
  const at = memory.allocate(16);
  const packet = () => ({ offset: at, length: 10, network: 4 });
  const environment = testEnvironment({ memory, packet });
  const buffer = put(memory, zeros(16));
  memory.bytes.set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], at);

  it('are read and written within their bounds', () => {
    expect(call(environment, 'bpf_skb_load_bytes', 0, 6, buffer, 4)).toBe(0n);
    expect([...bytesAt(memory, buffer, 4)]).toEqual([6, 7, 8, 9]);
    expect(call(environment, 'bpf_skb_load_bytes', 0, 7, buffer, 4)).toBe(BigInt(-EFAULT));
    expect([...bytesAt(memory, buffer, 4)]).toEqual(zeros(4));
    expect(call(environment, 'bpf_skb_load_bytes', 0, 0xffff_ffff, buffer, 4)).toBe(BigInt(-EFAULT));
    expect(call(environment, 'bpf_xdp_load_bytes', 0, 7, buffer, 4)).toBe(BigInt(-EINVAL));
    expect(call(environment, 'bpf_skb_load_bytes_relative', 0, 0, buffer, 2, 1)).toBe(0n);
    expect([...bytesAt(memory, buffer, 2)]).toEqual([4, 5]);
    expect(call(environment, 'bpf_skb_load_bytes_relative', 0, 0, buffer, 2, 2)).toBe(BigInt(-EFAULT));
    expect(call(environment, 'bpf_skb_store_bytes', 0, 8, put(memory, [88, 99]), 2, 0)).toBe(0n);
    expect([...memory.bytes.subarray(at, at + 11)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 88, 99, 0]);
    expect(call(environment, 'bpf_skb_store_bytes', 0, 9, put(memory, [88, 99]), 2, 0)).toBe(BigInt(-EFAULT));
    expect(call(environment, 'bpf_skb_store_bytes', 0, 8, put(memory, [88, 99]), 2, 4)).toBe(BigInt(-EINVAL));
    expect(call(environment, 'bpf_xdp_store_bytes', 0, 9, put(memory, [88, 99]), 2)).toBe(BigInt(-EINVAL));
    expect(call(environment, 'bpf_xdp_get_buff_len', 0)).toBe(10n);
    expect(call(environment, 'bpf_skb_pull_data', 0, 11)).toBe(-12n);
  });

  it('grow and shrink where the environment says so', () => {
    const moved: unknown[] = [];
    const growing = testEnvironment({ memory, packet, movePacket: (...args) => moved.push(args) * 0 });
    expect(call(growing, 'bpf_xdp_adjust_head', 0, -14)).toBe(0n);
    expect(call(growing, 'bpf_xdp_adjust_tail', 0, 4)).toBe(0n);
    expect(call(growing, 'bpf_xdp_adjust_meta', 0, -8)).toBe(0n);
    expect(moved).toEqual([
      ['head', -14],
      ['tail', 4],
      ['meta', -8],
    ]);
    expect(call(environment, 'bpf_xdp_adjust_head', 0, 4)).toBe(BigInt(-EINVAL));
  });
});
