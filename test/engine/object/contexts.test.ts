import { describe, expect, it } from 'vitest';
import {
  assemble,
  exit,
  type Item,
  jeq,
  label,
  ldx,
  mov,
  R0,
  R1,
  R2,
  type Size,
  stx,
} from '../../../engine/isa/index.ts';
import {
  type Btf,
  defineStructs,
  type Hook,
  hookOfSection,
  parseBtf,
  parseSection,
} from '../../../engine/object/index.ts';
import { VerifierError, verify } from '../../../engine/verifier/index.ts';
import { BpfError, btfIdOf, kernelBtf, loadLinuxProgram } from '../../../sensors/linux/index.ts';
import { count, seed } from '../../support/counts.ts';
import { kernelSkip } from '../../support/kernel.ts';
import { createRandom } from '../../support/random.ts';

const BTF = parseBtf(defineStructs({ bpf_sock: { family: 'u32' } }));
const hook = (section: string): Hook => hookOfSection(section, BTF);

const SECTIONS = [
  'socket',
  'cgroup_skb/ingress',
  'cgroup_skb/egress',
  'tc',
  'xdp',
  'xdp/devmap',
  'cgroup/sock_create',
  'cgroup/sock_release',
  'cgroup/post_bind4',
  'cgroup/post_bind6',
  'cgroup/bind4',
  'cgroup/bind6',
  'cgroup/connect4',
  'cgroup/connect6',
  'cgroup/sendmsg4',
  'cgroup/sendmsg6',
  'cgroup/recvmsg4',
  'cgroup/recvmsg6',
  'cgroup/getpeername4',
  'cgroup/getsockname6',
  'cgroup/dev',
  'cgroup/sysctl',
  'cgroup/getsockopt',
  'cgroup/setsockopt',
  'perf_event',
  'uprobe',
  'tp/sched/sched_switch',
  'syscall',
];

const SIZES: readonly (readonly [Size, number])[] = [
  ['b', 1],
  ['h', 2],
  ['w', 4],
  ['dw', 8],
];

interface Access {
  readonly section: string;
  readonly offset: number;
  readonly size: Size;
  readonly store: boolean;
}

/** Every access of a context and of a few bytes on either side; of large ones, where they begin and end. */
function accesses(): Access[] {
  return SECTIONS.flatMap((section) => {
    const { context } = hook(section);
    if (!context) throw new Error(`${section} has no context`);
    const near = Array.from({ length: 204 }, (_, i) => i - 4).filter((offset) => offset < context.size + 4);
    const isLarge = context.size > 1000 && context.size < 0x8000;
    const far = isLarge ? Array.from({ length: 16 }, (_, i) => context.size - 12 + i) : [];
    return [...near, ...far].flatMap((offset) =>
      SIZES.flatMap(([size]) => [
        { section, offset, size, store: false },
        { section, offset, size, store: true },
      ]),
    );
  });
}

function accessing({ section, offset, size, store }: Access): Item[] {
  const { min, max } = hook(section).returns;
  const result = min <= 0 && max >= 0 ? 0 : min;
  const access = store ? [mov(R2, 0), stx(size, R1, offset, R2)] : [ldx(size, R2, R1, offset)];
  return [...access, mov(R0, result), exit()];
}

const show = ({ section, offset, size, store }: Access): string =>
  `${section}: ${store ? 'stx' : 'ldx'}${size} at ${offset}`;

function weAccept(items: readonly Item[], at: Hook, btf: Btf): boolean {
  const { instructions } = assemble(items);
  try {
    verify(instructions, { name: 'test', hook: at, btf, map: () => undefined, helper: () => undefined });
    return true;
  } catch (error) {
    if (error instanceof VerifierError) return false;
    throw error;
  }
}

function kernelAccepts(items: readonly Item[], section: string, { programType, attachType, sleepable }: Hook): boolean {
  const { instructions } = assemble(items);
  if (programType === 'isa') return false;
  const target = parseSection(section).btf;
  const attachBtfId = target && btfIdOf(target.kind, target.name);
  try {
    loadLinuxProgram({
      name: 'test',
      instructions,
      programType,
      log: 'none',
      ...(attachType !== undefined && { attachType }),
      ...(attachBtfId !== undefined && { attachBtfId }),
      ...(sleepable && { sleepable }),
    }).close();
    return true;
  } catch (error) {
    if (error instanceof BpfError) return false;
    throw error;
  }
}

function shuffled<T>(items: readonly T[], start: number): T[] {
  const random = createRandom(start);
  return items
    .map((item) => [random.below(2 ** 32), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

/**
 * Loads that the kernel refuses and we take: the kernel looks for these members at their first byte only, so that a load of another
 * byte of theirs is none of the member. That is no question of safety: the bytes are those of a number.
 */
const LOOSER =
  /^cgroup\/(sock_create|sock_release|post_bind[46]): ldx[bh] at (5|6|7|9|10|11|13|14|15|45|46|47|73|74|75|77|78|79)$/;
/** Loads that we refuse and the kernel takes: its comparison of a tracepoint's offset with 8 is one of unsigned numbers. */
const STRICTER = /^tp\/sched\/sched_switch: ldx[bhw] at -[1234]$/;

const VALUES = [-0x8000_0000, -4096, -4095, -1, 0, 1, 2, 3, 4, 1000, 0x7fff_ffff];

const kernelReason = kernelSkip();
describe.skipIf(kernelReason)(`hooks against the kernel${kernelReason ? `: ${kernelReason}` : ''}`, () => {
  it('have contexts that are read and written where the kernel lets them be', () => {
    const all = shuffled(accesses(), seed('contexts')).slice(0, count(200_000));
    const different = all
      .filter((access) => {
        const [items, at] = [accessing(access), hook(access.section)];
        return weAccept(items, at, BTF) !== kernelAccepts(items, access.section, at);
      })
      .map(show);
    expect(different.filter((text) => !LOOSER.test(text) && !STRICTER.test(text))).toEqual([]);
    expect(all.length).toBeGreaterThan(1000);
  });

  it('return what the kernel lets them return', () => {
    const live = kernelBtf();
    const sections = [...SECTIONS, 'tp_btf/sched_switch', 'raw_tp/sys_enter', 'iter/task', 'raw_tp.w/sys_enter'];
    const different = sections.flatMap((section) => {
      const at = hookOfSection(section, live);
      return VALUES.filter((value) => {
        const items = [mov(R0, value), exit()];
        return weAccept(items, at, live) !== kernelAccepts(items, section, at);
      }).map((value) => `${section}: ${value}`);
    });
    expect(different).toEqual([]);
  });

  it.each(['tp_btf/sched_process_exec', 'tp_btf/sys_exit', 'tp_btf/signal_generate', 'iter/task', 'iter/task_file'])(
    'give programs of %s the arguments that the kernel gives them',
    (section) => {
      const live = kernelBtf();
      const at = hookOfSection(section, live);
      const different = Array.from({ length: 6 * 8 }, (_, offset) => offset).flatMap((offset) =>
        SIZES.filter(([size]) => {
          const items = [ldx(size, R2, R1, offset), mov(R0, 0), exit()];
          return weAccept(items, at, live) !== kernelAccepts(items, section, at);
        }).map(([size]) => `ldx${size} at ${offset}`),
      );
      expect(different).toEqual([]);
    },
  );

  it.each([
    'tp_btf/sched_process_exec',
    'tp_btf/signal_generate',
    'tp_btf/sched_pi_setprio',
    'tp_btf/sched_swap_numa',
    'tp_btf/mm_page_alloc',
    'tp_btf/kfree_skb',
    'tp_btf/tcp_send_reset',
    'iter/task',
    'iter/task_file',
  ])('let programs of %s follow the pointers that the kernel lets them follow, null ones after a check', (section) => {
    const live = kernelBtf();
    const at = hookOfSection(section, live);
    const different = at.arguments.flatMap((_, slot) =>
      [false, true]
        .filter((checked) => {
          const follow = [ldx('b', R0, R2, 0), mov(R0, 0), label('out'), exit()];
          const items = [ldx('dw', R2, R1, slot * 8), mov(R0, 0), ...(checked ? [jeq(R2, 0, 'out')] : []), ...follow];
          return weAccept(items, at, live) !== kernelAccepts(items, section, at);
        })
        .map((checked) => `argument ${slot}, ${checked ? 'checked' : 'unchecked'}`),
    );
    expect(different).toEqual([]);
  });
});
