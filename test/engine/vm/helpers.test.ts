import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createMap, EAGAIN, EFAULT, EINVAL, ENOENT, ERANGE, isRingBuffer } from '../../../engine/maps/index.ts';
import { HELPERS, HelperError, helperById, helperByName, helperNameOf, Memory } from '../../../engine/vm/index.ts';
import { testEnvironment } from '../../support/environment.ts';
import { bytesAt, call, put, textAt } from './call-helper.ts';

const HEADER = '/usr/include/linux/bpf.h';

describe('the table', () => {
  it('has ids and names of include/uapi/linux/bpf.h', () => {
    for (const { id, name } of HELPERS) expect(`${id} ${name}`).toBe(`${id} ${helperNameOf(id)}`);
    expect(new Set(HELPERS.map(({ id }) => id)).size).toBe(HELPERS.length);
    expect(HELPERS.length).toBeGreaterThan(130);
  });

  it.skipIf(!existsSync(HEADER))('names all that the installed header has, also those not offered', () => {
    const names = [...readFileSync(HEADER, 'utf8').matchAll(/^\s*FN\((\w+)(?:, \d+, ##ctx)?\)/gm)].map(
      ([, name]) => name,
    );
    expect(names.length).toBeGreaterThan(200);
    for (const [id, name] of names.entries()) if (id > 0) expect(helperNameOf(id)).toBe(`bpf_${name}`);
    expect(helperNameOf(0)).toBeUndefined();
    expect(helperNameOf(211)).toBe('bpf_cgrp_storage_delete');
    expect(helperNameOf(212)).toBeUndefined();
  });

  it('is found by name and by id', () => {
    for (const helper of HELPERS) {
      expect(helperByName(helper.name)).toBe(helper);
      expect(helperById(helper.id)).toBe(helper);
    }
    expect(helperByName('bpf_nothing')).toBeUndefined();
    expect(helperById(59)).toBeUndefined();
  });
});

describe('maps', () => {
  const memory = new Memory(1 << 20);
  const map = createMap(memory, { name: 'm', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 4 }, 5);
  const environment = testEnvironment({ memory }, [map]);
  const key = put(memory, [1, 0, 0, 0]);
  const value = put(memory, [42, 0, 0, 0, 0, 0, 0, 0]);

  it('are looked up, updated and emptied by handle and pointers', () => {
    expect(call(environment, 'bpf_map_lookup_elem', 5, key)).toBe(0n);
    expect(call(environment, 'bpf_map_delete_elem', 5, key)).toBe(BigInt(-ENOENT));
    expect(call(environment, 'bpf_map_update_elem', 5, key, value, 2)).toBe(BigInt(-ENOENT));
    expect(call(environment, 'bpf_map_update_elem', 5, key, value, 1n << 40n)).toBe(BigInt(-EINVAL));
    expect(call(environment, 'bpf_map_update_elem', 5, key, value, 0)).toBe(0n);
    const found = BigInt.asUintN(64, call(environment, 'bpf_map_lookup_elem', 5, key));
    expect(bytesAt(memory, found, 8)[0]).toBe(42);
    expect(call(environment, 'bpf_map_delete_elem', 5, key)).toBe(0n);
    expect(call(environment, 'bpf_map_lookup_elem', 5, key)).toBe(0n);
  });

  it('fail loudly where the verifier would not have let the call through', () => {
    expect(() => call(environment, 'bpf_map_lookup_elem', 6, key)).toThrow(
      new HelperError('bpf_map_lookup_elem', 'r1 = 0x6 is not the handle of a map'),
    );
    expect(() => call(environment, 'bpf_map_lookup_elem', 5, 8)).toThrow(
      new HelperError('bpf_map_lookup_elem', 'r2 = 0x8 has no 4 bytes of memory'),
    );
    expect(() => call(environment, 'bpf_ringbuf_reserve', 5, 8, 0)).toThrow(
      new HelperError('bpf_ringbuf_reserve', 'map "m" is not a ring buffer'),
    );
  });
});

describe('ring buffers', () => {
  const memory = new Memory(1 << 20);
  const ring = createMap(memory, { name: 'r', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 }, 3);
  const environment = testEnvironment({ memory }, [ring]);
  const records = (): string[] => {
    const texts: string[] = [];
    if (isRingBuffer(ring)) ring.consume((record) => texts.push(new TextDecoder().decode(record)));
    return texts;
  };
  const reserve = (size: number): bigint => BigInt.asUintN(64, call(environment, 'bpf_ringbuf_reserve', 3, size, 0));

  it('take records that are reserved, filled in and submitted, or discarded', () => {
    const first = reserve(2);
    const second = reserve(2);
    memory.bytes.set([0x68, 0x69], memory.offset(first, 2) as number);
    expect(call(environment, 'bpf_ringbuf_discard', second, 0)).toBe(0n);
    expect(call(environment, 'bpf_ringbuf_submit', first, 0)).toBe(0n);
    expect(records()).toEqual(['hi']);
    expect(() => call(environment, 'bpf_ringbuf_submit', put(memory, [0, 0, 0, 0, 0, 0, 0, 0]), 0)).toThrow(
      new HelperError('bpf_ringbuf_submit', 'r1 does not point to a reserved record'),
    );
  });

  it('answer flags and lack of room as the kernel', () => {
    const data = put(memory, 'event');
    expect(call(environment, 'bpf_ringbuf_output', 3, data, 5, 4)).toBe(BigInt(-EINVAL));
    expect(call(environment, 'bpf_ringbuf_reserve', 3, 8, 1)).toBe(0n);
    expect(call(environment, 'bpf_ringbuf_output', 3, data, 5, 3)).toBe(0n);
    expect(call(environment, 'bpf_ringbuf_output', 3, data, 0, 0)).toBe(0n);
    expect(records()).toEqual(['event', '']);
    expect(reserve(4096)).toBe(0n);
    const big = put(memory, new Array(4096).fill(1));
    expect(call(environment, 'bpf_ringbuf_output', 3, big, 4096, 0)).toBe(BigInt(-EAGAIN));
  });
});

describe('the current task', () => {
  const signals: number[] = [];
  const environment = testEnvironment({
    currentTask: () => 0xffff_8880_0001_0000n,
    currentCgroupId: () => 77n,
    currentAncestorCgroupId: (level) => (level === 1 ? 55n : 0n),
    random: () => -1,
    sendSignal: (signal) => {
      signals.push(signal);
      return 0;
    },
  });

  it('is described by the environment', () => {
    expect(call(environment, 'bpf_ktime_get_ns')).toBe(1_000_000_000n);
    expect(call(environment, 'bpf_ktime_get_boot_ns')).toBe(1_000_000_000n);
    expect(call(environment, 'bpf_get_prandom_u32')).toBe(0xffff_ffffn);
    expect(call(environment, 'bpf_get_smp_processor_id')).toBe(0n);
    expect(call(environment, 'bpf_get_current_pid_tgid')).toBe((100n << 32n) | 101n);
    expect(call(environment, 'bpf_get_current_uid_gid')).toBe((1000n << 32n) | 1001n);
    expect(BigInt.asUintN(64, call(environment, 'bpf_get_current_task'))).toBe(0xffff_8880_0001_0000n);
    expect(BigInt.asUintN(64, call(environment, 'bpf_get_current_task_btf'))).toBe(0xffff_8880_0001_0000n);
    expect(helperByName('bpf_get_current_task_btf')?.returns).toEqual({ struct: 'task_struct' });
    expect(call(environment, 'bpf_get_current_cgroup_id')).toBe(77n);
    expect(call(environment, 'bpf_get_current_ancestor_cgroup_id', 1)).toBe(55n);
    expect(call(environment, 'bpf_get_current_ancestor_cgroup_id', 0xffff_ffff)).toBe(0n);
  });

  it('gets signals up to 64', () => {
    expect(call(environment, 'bpf_send_signal', 9)).toBe(0n);
    expect(call(environment, 'bpf_send_signal_thread', 64)).toBe(0n);
    expect(call(environment, 'bpf_send_signal', 65)).toBe(BigInt(-EINVAL));
    expect(signals).toEqual([9, 64]);
  });

  it('has a comm that is cut to the buffer, ended and padded with NULs', () => {
    const { memory } = environment;
    const buffer = put(memory, new Array(16).fill(0xff));
    expect(call(environment, 'bpf_get_current_comm', buffer, 16)).toBe(0n);
    expect(textAt(memory, buffer, 16)).toBe('test'.padEnd(16, '\0'));
    expect(call(environment, 'bpf_get_current_comm', buffer, 3)).toBe(0n);
    expect(textAt(memory, buffer, 4)).toBe('te\0t');
    expect(call(environment, 'bpf_get_current_comm', buffer, 1)).toBe(0n);
    expect(textAt(memory, buffer, 2)).toBe('\0e');
  });
});

describe('bpf_probe_read', () => {
  /** One page of user memory at 0x1000, the next is absent. */
  const page = new Uint8Array(4096);
  page.set(new TextEncoder().encode('/etc/shadow\0'), 0x10);
  page.fill(0x61, 4090);
  const environment = testEnvironment({
    readUser: (address, length) => {
      const at = Number(address) - 0x1000;
      return at >= 0 && at + length <= 4096 ? page.slice(at, at + length) : undefined;
    },
  });
  const { memory } = environment;
  const buffer = put(memory, new Array(32).fill(0));
  const fresh = (): bigint => {
    memory.bytes.fill(0xff, memory.offset(buffer, 32), (memory.offset(buffer, 32) as number) + 32);
    return buffer;
  };
  const kernel = put(memory, 'kernel\0');
  const zeros = (n: number): Uint8Array => new Uint8Array(n);

  it('_user copies the bytes asked for, or zeroes them and fails', () => {
    expect(call(environment, 'bpf_probe_read_user', fresh(), 5, 0x1010)).toBe(0n);
    expect(textAt(memory, buffer, 5)).toBe('/etc/');
    expect(bytesAt(memory, buffer, 6)[5]).toBe(0xff);
    for (const address of [0n, 0x1ffcn, kernel]) {
      expect(call(environment, 'bpf_probe_read_user', fresh(), 8, address)).toBe(BigInt(-EFAULT));
      expect(bytesAt(memory, buffer, 8)).toEqual(zeros(8));
      expect(bytesAt(memory, buffer, 9)[8]).toBe(0xff);
    }
    expect(call(environment, 'bpf_probe_read_user', fresh(), 0, 0)).toBe(0n);
  });

  it('_kernel copies kernel memory; -ERANGE for user and non-canonical addresses, -EFAULT for what is not mapped', () => {
    expect(call(environment, 'bpf_probe_read_kernel', fresh(), 6, kernel)).toBe(0n);
    expect(textAt(memory, buffer, 6)).toBe('kernel');
    for (const address of [0n, 0x1010n, 0x7fff_ffff_ffffn, 0x1234_0000_0000_0000n]) {
      expect(call(environment, 'bpf_probe_read_kernel', fresh(), 6, address)).toBe(BigInt(-ERANGE));
      expect(bytesAt(memory, buffer, 6)).toEqual(zeros(6));
    }
    expect(call(environment, 'bpf_probe_read_kernel', fresh(), 6, 0xffff_ffff_8100_0000n)).toBe(BigInt(-EFAULT));
    expect(bytesAt(memory, buffer, 6)).toEqual(zeros(6));
    expect(call(environment, 'bpf_probe_read_kernel', fresh(), 0, 0)).toBe(0n);
    const last = memory.address(Math.ceil(memory.used / 4096) * 4096 - 8);
    expect(call(environment, 'bpf_probe_read_kernel', fresh(), 9, last)).toBe(BigInt(-EFAULT));
  });

  it('_user_str gives the length with its NUL, and leaves the rest of the buffer', () => {
    expect(call(environment, 'bpf_probe_read_user_str', fresh(), 32, 0x1010)).toBe(12n);
    expect(textAt(memory, buffer, 12)).toBe('/etc/shadow\0');
    expect(bytesAt(memory, buffer, 13)[12]).toBe(0xff);
  });

  it('_user_str cuts to the size and always ends with a NUL', () => {
    expect(call(environment, 'bpf_probe_read_user_str', fresh(), 5, 0x1010)).toBe(5n);
    expect(textAt(memory, buffer, 5)).toBe('/etc\0');
    expect(call(environment, 'bpf_probe_read_user_str', fresh(), 12, 0x1010)).toBe(12n);
    expect(call(environment, 'bpf_probe_read_user_str', fresh(), 11, 0x1010)).toBe(11n);
    expect(textAt(memory, buffer, 11)).toBe('/etc/shado\0');
    expect(call(environment, 'bpf_probe_read_user_str', fresh(), 0, 0x1010)).toBe(0n);
  });

  it('_user_str reads up to the end of a page, and fails only where it needs the next', () => {
    expect(call(environment, 'bpf_probe_read_user_str', fresh(), 6, 0x1000 + 4090)).toBe(6n);
    expect(textAt(memory, buffer, 6)).toBe('aaaaa\0');
    expect(call(environment, 'bpf_probe_read_user_str', fresh(), 7, 0x1000 + 4090)).toBe(BigInt(-EFAULT));
    expect(bytesAt(memory, buffer, 7)).toEqual(zeros(7));
    expect(call(environment, 'bpf_probe_read_user_str', fresh(), 7, kernel)).toBe(BigInt(-EFAULT));
  });

  it('_kernel_str reads kernel memory only', () => {
    expect(call(environment, 'bpf_probe_read_kernel_str', fresh(), 32, kernel)).toBe(7n);
    expect(textAt(memory, buffer, 7)).toBe('kernel\0');
    expect(call(environment, 'bpf_probe_read_kernel_str', fresh(), 8, 0x1010)).toBe(BigInt(-ERANGE));
    expect(bytesAt(memory, buffer, 8)).toEqual(zeros(8));
  });
});

describe('text', () => {
  const traced: string[] = [];
  const environment = testEnvironment({ trace: (text) => traced.push(text) });
  const { memory } = environment;
  const print = (format: string, ...args: readonly (bigint | number)[]): string | bigint => {
    const source = put(memory, format);
    const result = call(environment, 'bpf_trace_printk', source, new TextEncoder().encode(format).length, ...args);
    const text = traced.pop();
    if (text === undefined) return result;
    expect(result).toBe(BigInt(text.length));
    return text;
  };

  it('bpf_trace_printk formats up to three arguments', () => {
    const name = put(memory, 'cat\0');
    expect(print('plain 100%%\0')).toBe('plain 100%');
    expect(print('%d %u %x\0', 0xffff_ffffn, 0x1_0000_0001n, 255)).toBe('-1 1 ff');
    expect(print('%lld %llu %lX\0', -1, -1, 0xab_cdefn)).toBe('-1 18446744073709551615 ABCDEF');
    expect(print('[%5d] [%-5d] [%05d]\0', 42, 42, -42)).toBe('[   42] [42   ] [-0042]');
    expect(print('%s %c %px\0', name, 65, 0x10n)).toBe('cat A 0000000000000010');
  });

  it('bpf_trace_printk refuses what the kernel refuses', () => {
    expect(print('no end')).toBe(BigInt(-EINVAL));
    expect(print('%d %d %d %d\0', 1, 2, 3)).toBe(BigInt(-EINVAL));
    expect(print('%f\0', 1)).toBe(BigInt(-EINVAL));
    expect(print('%\0', 1)).toBe(BigInt(-EINVAL));
    expect(print('\x01bell\0')).toBe(BigInt(-EINVAL));
  });

  it('bpf_strncmp compares as strncmp of C', () => {
    const compare = (a: string, size: number, b: string): bigint =>
      call(environment, 'bpf_strncmp', put(memory, a), size, put(memory, `${b}\0`));
    expect(compare('abc\0', 4, 'abc')).toBe(0n);
    expect(compare('abc\0xyz', 7, 'abc')).toBe(0n);
    expect(compare('abcd', 3, 'abc')).toBe(0n);
    expect(compare('abb\0', 4, 'abc')).toBe(-1n);
    expect(compare('abd\0', 4, 'abc')).toBe(1n);
    expect(compare('ab\0', 3, 'abc')).toBe(-1n);
    expect(compare('abcd', 4, 'abc')).toBe(1n);
    expect(compare('é', 2, 'e')).toBe(1n);
  });
});
