import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { gunzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { kernelBtf } from '../../sensors/linux/index.ts';
import { index } from '../support/loaded-object.ts';
import { pack, text, unpack } from '../support/pack.ts';
import { inEachPlace } from '../support/places.ts';

/** CONFIG_HZ of the running kernel. */
function runningHz(): number {
  const packed = '/proc/config.gz';
  const text = existsSync(packed) ? gunzipSync(readFileSync(packed)) : readFileSync(`/boot/config-${release()}`);
  return Number(/^CONFIG_HZ=(\d+)$/m.exec(text.toString())?.[1]);
}

inEachPlace((load) => {
  it.each([
    {
      a: -300n,
      b: 7n,
      // (s8)-300 = 0xd4 = -44; (s16)-300 = -300; -44 * 7; -300/7 = -42 rest -6; 4294966996 / 7; (2^64-300) / 7; -300 >> 7 = -3
      expected: [-44n, -300n, -300n, -308n, -42n, -6n, -42n, -6n, 613566713n, 2635249153387078759n, -3n],
      shifted: 0xffff6a00n,
      rest: [-3n, 0xd4feffffn, -3098758018607611905n, 1n],
      // bswap16(0xfed4) = 0xd4fe
      result: -11010,
    },
    {
      a: 0x1_8000_0001n,
      b: -3n,
      // ua = 0x80000001, ub = 0xfffffffd, a32 = -2147483647, shifts by 29 and 61
      expected: [1n, 1n, -2147483647n, -3n, -2147483648n, 1n, 715827882n, -1n, 0n, 0n, -4n],
      shifted: 0x20000000n,
      rest: [0n, 0x01000080n, 0x0100_0080_0100_0000n, 3n],
      result: 0x0100,
    },
  ])('alu32: $a and $b at every width', ({ a, b, expected, shifted, rest, result }) => {
    const object = load('alu32');
    const run = object.run('alu32', { context: pack(`s64 s64 x${8 * 16}`, a, b) });
    const results = unpack(`x16${' s64'.repeat(16)}`, run.context);
    expect(results).toEqual([...expected, shifted, ...rest]);
    expect(run.result).toBe(result);
    object.close();
  });

  it('atomics: each gives the value before, and leaves the value after', () => {
    const object = load('atomics');
    const cells = 'u64 u64 u64 u64 u64 u64 u32 u32';
    object.update('cells', index(0), pack(cells, 10, 0xff, 0x0f, 0xff, 5, 42, 0xffff_fff0, 9));
    const request = (operand: bigint, expected: bigint) => pack('u64 u64 x64', operand, expected);
    const old = (context: Uint8Array) => unpack(`x16${' u64'.repeat(8)}`, context);

    const first = object.run('atomics', { context: request(0x30n, 42n) });
    expect(first.result).toBe(1);
    expect(old(first.context)).toEqual([0x3an, 0xffn, 0x0fn, 0xffn, 5n, 42n, 0xffff_fff0n, 9n]);
    expect(unpack(cells, object.lookup('cells', index(0))!)).toEqual([
      0x3bn,
      0x30n,
      0x3fn,
      0xcfn,
      0x30n,
      0x30n,
      0x20,
      0x30,
    ]);

    const second = object.run('atomics', { context: request(7n, 1n) });
    expect(second.result).toBe(0);
    expect(old(second.context)).toEqual([0x42n, 0x30n, 0x3fn, 0xcfn, 0x30n, 0x30n, 0x20n, 0x30n]);
    object.close();
  });

  it.each([
    // number, flags, argument: class * 10 + weight, as the switch says
    [0, 0, 0n, 11],
    [257, 0, 0n, 12],
    [257, 0o101, 0n, 23],
    [2, 0o100, 0n, 23],
    [437, 3, 0n, 2],
    [42, 0, 0n, 34],
    [288, 0, 0n, 32],
    [59, 0, 0n, 45],
    [56, 0, 0n, 42],
    [101, 0, 16n, 58],
    [101, 0, 0n, 56],
    [9, 0, 6n, 69],
    [10, 0, 4n, 61],
    [48, 0, 0n, 1],
    [0xffff_ffff, 0, 0n, 1],
  ])('classify: number %i with flags %i and argument %i is %i', (number, flags, argument, expected) => {
    const object = load('classify');
    const run = object.run('classify', { context: pack('u32 u32 u64 x8', number, flags, argument) });
    expect(run.result).toBe(expected);
    expect(unpack('x16 u32 u32', run.context)).toEqual([Math.floor(expected / 10), expected % 10]);
    object.close();
  });

  it('config: a list is applied whole or not at all', () => {
    const object = load('config');
    const [SET, CLEAR, FLUSH] = [1, 2, 3];
    const run = (...commands: readonly (readonly [operation: number, key: number, value: bigint])[]) => {
      const context = new Uint8Array(136);
      for (const [i, command] of commands.entries()) context.set(pack('u32 u32 u64', ...command), 16 * i);
      const output = object.run('config', { context });
      return [output.result, ...unpack('x128 u32 s32', output.context)];
    };
    expect(run([SET, 1, 10n], [SET, 2, 20n], [SET, 1, 11n])).toEqual([1, 3, 0]);
    expect(unpack('u64', object.lookup('settings', index(1))!)).toEqual([11n]);
    expect(run([CLEAR, 1, 0n], [SET, 3, 0n])).toEqual([1, 0, -22]);
    expect(object.keys('settings')).toHaveLength(2);
    expect(run([CLEAR, 1, 0n], [CLEAR, 1, 0n], [SET, 9, 9n])).toEqual([2, 1, -2]);
    expect(run([SET, 5, 50n], [FLUSH, 0, 0n])).toEqual([3, 3, 0]);
    expect(object.keys('settings')).toHaveLength(0);
    expect(object.number('generation')).toBe(3n);
    object.close();
  });

  it('for_each: callbacks sum, find the largest, and remove what is old', () => {
    const object = load('for_each');
    for (const [key, bytes, seen] of [
      [1, 100, 5],
      [2, 900, 50],
      [3, 300, 70],
      [4, 9999, 49],
    ] as const)
      object.update('usages', index(key), pack('u64 u64', bytes, seen));
    for (const [key, weight] of [3, 5, 0, 7].entries()) object.update('weights', index(key), pack('u64', weight));
    const run = object.run('for_each', { context: pack('u64 x24', 50) });
    // 4 entries of the hash, then the array's up to and with the first zero: 3 * 1 + 5 * 2
    expect(run.result).toBe(4 * 100 + 3);
    expect(unpack('x8 u64 u32 u32 u64', run.context)).toEqual([1200n, 2, 2, 13n]);
    expect(
      object
        .keys('usages')
        .map((key) => unpack('u32', key)[0])
        .sort(),
    ).toEqual([2, 3]);
    object.close();
  });

  it.each([
    [77n, -13n, 'sshd', 'pid=77 name=sshd result=-13 flags=0x4d0'],
    [1n, 0n, 'a-very-long-name', 'pid=1 name=a-very-long-nam result=0 flags=0x10'],
  ])('format_text: %i %i %s', (pid, result, name, expected) => {
    const object = load('format_text');
    const run = object.run('format_text', { context: pack('u64 s64 c16 x64', pid, result, name) });
    expect(text(run.context.subarray(32))).toBe(expected);
    expect(run.result).toBe(expected.length + 1);
    object.close();
  });

  it('globals: variables keep their values between runs, static and global functions compute', () => {
    const object = load('globals', { factor: 3, bias: -7 });
    const run = (step: number) => {
      const output = object.run('globals', { context: pack('u32 s32 x16', 13, step) });
      return [output.result, ...unpack('x8 s64 u64', output.context)];
    };
    // 13 * 13 = 169; step * 3; bias -7; the history is over 100 from the second run on
    expect(run(60)).toEqual([0, 169n + 180n - 7n, 1n]);
    expect(run(50)).toEqual([1, 169n + 150n - 7n, 2n]);
    expect(run(-50)).toEqual([0, 169n - 150n - 7n, 3n]);
    expect(object.number('calls')).toBe(3n);
    expect(unpack('s64 s64 s64 s64 s64 s64 s64 s64', object.variable('history'))).toEqual([
      0n,
      0n,
      0n,
      0n,
      0n,
      60n,
      0n,
      0n,
    ]);
    object.close();
  });

  it('globals: what is const volatile is what the loader set', () => {
    const object = load('globals', { factor: 101 });
    const run = object.run('globals', { context: pack('u32 s32 x16', 2, 5) });
    expect(unpack('x8 s64 x8', run.context)).toEqual([4n - 1n - 7n]);
    object.close();
  });

  it.each([
    ['../../etc/shadow', 2, 17],
    ['a/../b/.../c', 2, 13],
    ['....//', 1, 7],
    ['', 0, 1],
    ['x'.repeat(300), 0, 256],
  ])('long_loop: %s', (path, found, steps) => {
    const object = load('long_loop');
    const run = object.run('long_loop', { context: pack('c256 x8', path) });
    expect(run.result).toBe(found);
    expect(unpack('x256 u32 u32', run.context)).toEqual([found, steps]);
    object.close();
  });

  it('kernel_config: what is asked of the configuration is filled in at load', () => {
    const object = load('kernel_config');
    const run = object.run('kernel_config', { context: new Uint8Array(24) });
    const isSimulated = object.place === 'simulated machine';
    const [major = 0, minor = 0, patch = 0] = release().split(/[.-]/).map(Number);
    const version = isSimulated ? 0x06_0c_22 : (major << 16) | (minor << 8) | Math.min(patch, 255);
    const hz = isSimulated ? 250 : runningHz();
    expect(unpack('u32 u32 u32 u32 u32 u32', run.context)).toEqual([version, hz, 1, 0, 0, 0]);
    expect(run.result).toBe(Math.floor(1000 / hz));
    object.close();
  });

  it.each([
    ['/var/www/html/index.php', 'www', 5],
    ['/var/www/html/index.php', 'index.php', 14],
    ['/var/www/html/index.php', 'indexer', -2],
    ['aaaab', 'aab', 2],
    ['aaaa', 'aaaaa', -2],
    ['', 'a', -2],
    ['anything', '', 0],
  ])('search: where %s has %s', (haystack, needle, found) => {
    const object = load('search');
    const run = object.run('search', { context: pack('c64 c16 x8', haystack, needle) });
    const byKernel = object.place === 'running kernel' && kernelBtf().find('func', 'bpf_strstr') !== undefined;
    expect(unpack('x80 s32 u32', run.context)).toEqual([found, Number(byKernel)]);
    expect(run.result).toBe(0);
    object.close();
  });

  it.each([
    ['/usr/bin/passwd', 'bin', 5, 0],
    ['/usr/bin/passwd', '/usr/b', 0, 6],
    ['/usr/bin/passwd', '/usr/x', -1, 5],
    ['passwd', 'wd', 4, 0],
    ['passwd', 'wdx', -1, 0],
    ['passwd', 'password', -1, 5],
    ['anything', '', 0, 0],
    [`${'x'.repeat(61)}abc`, 'abc', 61, 0],
    ['x'.repeat(64), 'xxxxxxx', 0, 7],
  ])('substring: where %s has %s', (haystack, needle, found, prefix) => {
    const object = load('substring');
    const run = object.run('substring', { context: pack('c64 c8 x12', haystack, needle) });
    expect(run.result).toBe(found);
    expect(unpack('x72 s32 u32 u32', run.context)).toEqual([found, prefix, haystack.length]);
    object.close();
  });
});
