import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseBtf, readElf } from '../../../engine/object/index.ts';
import { kernelBtf, loadElfLinux } from '../../../sensors/linux/index.ts';
import { loadableBtf } from '../../../sensors/linux/object-btf.ts';
import { clangSkip, compileC } from '../../support/clang.ts';
import { kernelSkip } from '../../support/kernel.ts';
import { index } from '../../support/loaded-object.ts';
import { corpusObject } from '../../support/objects.ts';
import { unpack } from '../../support/pack.ts';

const needsClang = clangSkip();
const skip = needsClang ?? kernelSkip();
const openFds = () => readdirSync('/proc/self/fd').length;

describe.skipIf(needsClang)(`an object's BTF${needsClang ? ` (skipped: ${needsClang})` : ''}`, () => {
  it('keeps its ids; sections become structs, external functions global ones with named parameters', () => {
    const { btf, btfBytes } = corpusObject('process_tree').object;
    const loadable = parseBtf(loadableBtf(btfBytes!));
    expect(loadable.count).toBe(btf!.count);
    const id = btf!.find('func', 'bpf_iter_num_new')!;
    expect(btf!.type(id)).toMatchObject({ linkage: 'extern' });
    expect(loadable.type(id)).toMatchObject({ kind: 'func', name: 'bpf_iter_num_new', linkage: 'global' });
    const proto = loadable.type((loadable.type(id) as { readonly target: number }).target);
    expect('parameters' in proto && proto.parameters.map(({ name }) => name)).toEqual(
      Array(3).fill('bpf_iter_num_new'),
    );
    const section = btf!.find('datasec', '.ksyms')!;
    expect(loadable.type(section)).toMatchObject({ kind: 'struct', name: '', size: 12 });
    const struct = btf!.find('struct', 'ancestry')!;
    expect(loadable.type(struct)).toEqual(btf!.type(struct));
  });
});

describe.skipIf(skip)(`loadElfLinux${skip ? ` (skipped: ${skip})` : ''}`, () => {
  it('gives the verifier lines and functions', () => {
    const loaded = loadElfLinux(corpusObject('globals').object, { log: 'all states' });
    const { log } = loaded.programs.get('globals')!;
    expect(log).toContain('; calls++; @ globals.c:');
    expect(log).toContain("Func#3 ('remember') is safe for any args that match its prototype");
    loaded.close();
  });

  it('fills prog arrays and maps of maps, and freezes what is read only', () => {
    const tails = loadElfLinux(corpusObject('tail_dispatch').object);
    const slot = (key: number) => {
      const value = tails.maps.get('by_number')!.lookup(index(key));
      return typeof value === 'number' ? value : unpack('u32', value)[0];
    };
    expect([slot(62), slot(101), slot(63)]).toEqual([
      tails.programs.get('on_kill')!.id,
      tails.programs.get('on_ptrace')!.id,
      -2,
    ]);
    tails.close();

    const outer = loadElfLinux(corpusObject('cgroup_counters').object);
    expect(unpack('u32', outer.maps.get('watched')!.lookup(index(4)) as Uint8Array)).toEqual([
      outer.maps.get('database')!.id,
    ]);
    outer.close();

    const frozen = loadElfLinux(corpusObject('syscall_table').object).maps.get('.rodata')!;
    expect(frozen.update(index(0), new Uint8Array(512))).toBe(-1);
    frozen.close();
  });

  it('loads the programs asked for, and by default those that are not optional', () => {
    const object = readElf(
      compileC(`
        #define SEC(name) __attribute__((section(name), used))
        SEC("raw_tp/sys_enter") int usual(void *context) { return 0; }
        SEC("?raw_tp/sys_exit") int optional(void *context) { return 1; }
        char text[] SEC("license") = "GPL";
      `),
    );
    const names = (programs?: readonly string[]) => {
      const loaded = loadElfLinux(object, programs && { programs });
      loaded.close();
      return [...loaded.programs.keys()];
    };
    expect(names()).toEqual(['usual']);
    expect(names(['optional'])).toEqual(['optional']);
  });

  it('creates a map without types where the kernel wants others', () => {
    const object = readElf(
      compileC(`
        struct { int (*type)[11]; int (*map_flags)[1]; int (*max_entries)[4]; unsigned long long *key; int *value; } trie
          __attribute__((section(".maps"), used));
      `),
    );
    const loaded = loadElfLinux(object);
    const key = Uint8Array.of(8, 0, 0, 0, 10, 0, 0, 0);
    expect(loaded.maps.get('trie')!.update(key, index(7))).toBe(0);
    expect(loaded.maps.get('trie')!.lookup(Uint8Array.of(32, 0, 0, 0, 10, 1, 2, 3))).toEqual(Uint8Array.from(index(7)));
    loaded.close();
  });

  it('leaves nothing open where a program is refused', () => {
    kernelBtf();
    const object = readElf(
      compileC(`
        #define SEC(name) __attribute__((section(name), used))
        int counter;
        SEC("raw_tp/sys_enter") int fine(void *context) { return counter++; }
        SEC("tp_btf/no_such_tracepoint") int missing(void *context) { return counter; }
        char text[] SEC("license") = "GPL";
      `),
    );
    const before = openFds();
    expect(() => loadElfLinux(object)).toThrow(
      new Error(
        'program "missing" (tp_btf/no_such_tracepoint): this kernel\'s BTF has no typedef btf_trace_no_such_tracepoint',
      ),
    );
    expect(openFds()).toBe(before);
  });
});
