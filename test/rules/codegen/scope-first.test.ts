import { describe, expect, it } from 'vitest';
import type { Instruction } from '../../../engine/isa/index.ts';
import type { ProgramSpec } from '../../../engine/object/index.ts';
import { HOOKS as ALL_HOOKS } from '../../../engine/object/index.ts';
import { helperByName } from '../../../engine/vm/index.ts';
import { compile } from '../../../rules/index.ts';
import { ruleOf } from '../../support/rules.ts';

const [CALL, EXIT, JA, GOTOL, JNE, MOV] = [0x85, 0x95, 0x05, 0x06, 0x5d, 0xb7];
const idOf = (name: string): number => helperByName(name)?.id ?? -1;
const ANCESTOR = idOf('bpf_get_current_ancestor_cgroup_id');
/** What a program may call before it knows that the task is in the scope: nothing that reads, records or does anything of it. */
const HARMLESS = new Set(
  ['bpf_get_current_ancestor_cgroup_id', 'bpf_get_current_task_btf', 'bpf_map_lookup_elem'].map(idOf),
);

const isJump = ({ opcode }: Instruction): boolean => [5, 6].includes(opcode & 7) && opcode !== CALL && opcode !== EXIT;

/** Where control goes from each slot; the second one of lddw does nothing. */
const successors = ({ instructions }: ProgramSpec<string>): readonly (readonly number[])[] =>
  instructions.map((each, index) => {
    if (each.opcode === EXIT) return [];
    if (!isJump(each)) return [index + 1];
    const to = index + 1 + (each.opcode === GOTOL ? each.imm : each.offset);
    return each.opcode === JA || each.opcode === GOTOL ? [to] : [index + 1, to];
  });

/** What is reached from the first instruction without one edge. */
const reached = (
  edges: readonly (readonly number[])[],
  without?: { readonly from: number; readonly to: number },
): ReadonlySet<number> => {
  const seen = new Set<number>();
  const left = [0];
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    for (const to of edges[at] ?? []) if (without?.from !== at || without.to !== to) left.push(to);
  }
  return seen;
};

/** The jump that leaves where the task's ancestor is not the scope: the first comparison of two registers behind the first such call. */
const scopeTest = (program: ProgramSpec<string>): number => {
  const call = program.instructions.findIndex(({ opcode, imm }) => opcode === CALL && imm === ANCESTOR);
  return program.instructions.findIndex(({ opcode }, index) => index > call && call >= 0 && opcode === JNE);
};

/** Calls that are made, and results other than letting go on that are given, at some instructions. */
const doneAt = ({ instructions, hook }: ProgramSpec<string>, where: ReadonlySet<number>): readonly string[] => {
  const deny = hook.startsWith('cgroup/') ? 0 : -1;
  return [...where]
    .sort((one, other) => one - other)
    .flatMap((index) => {
      const { opcode, imm, dst } = instructions[index] as Instruction;
      if (opcode === CALL && !HARMLESS.has(imm)) return [`${index}: call ${imm}`];
      const isResult = instructions[index + 1]?.opcode === EXIT || instructions[index + 2]?.opcode === EXIT;
      if (opcode === MOV && dst === 0 && isResult && (hook.startsWith('lsm/') || hook.startsWith('cgroup/')))
        return imm === deny ? [`${index}: r0 = ${imm}`] : [];
      return [];
    });
};

const scope = { cgroup: '/a' };
const acting = (action: 'deny' | 'kill', condition: string) =>
  ruleOf(`${action} ${condition}`, condition, { action, mode: 'enforce', scope });

const RULES = [
  acting('deny', 'evt.type in (open, openat, openat2) and fd.name = /x'),
  acting('kill', 'evt.type in (open, openat, openat2) and fd.name = /y and proc.name = x'),
  acting('deny', 'evt.type in (execve, execveat) and proc.exepath = /x'),
  acting('kill', 'evt.type in (execve, execveat) and proc.args contains x'),
  acting('deny', 'evt.type = connect and fd.sport = 1'),
  acting('kill', 'evt.type = connect and fd.sport = 2'),
  acting('deny', 'evt.type = bind and fd.sport = 1'),
  acting('deny', 'evt.type in (sendto, sendmsg) and fd.sport = 1'),
  acting('deny', 'evt.type in (unlink, unlinkat) and fs.path.name = /x'),
  acting('deny', 'evt.type in (rename, renameat, renameat2) and fs.path.source = /x'),
  acting('deny', 'evt.type in (link, linkat) and fs.path.source = /x'),
  acting('deny', 'evt.type in (symlink, symlinkat) and fs.path.target = /x'),
  acting('deny', 'evt.type in (chmod, fchmod, fchmodat) and fs.path.name = /x'),
  acting('deny', 'evt.type in (kill, tkill, tgkill) and evt.arg.sig = SIGKILL'),
  acting('deny', 'evt.type in (setuid, setreuid, setresuid) and evt.arg.uid = 0'),
  acting('deny', 'evt.type = ptrace and proc.name = x'),
  acting('deny', 'evt.type = mount and fs.path.target = /x'),
  acting('deny', 'evt.type = finit_module and fd.name = /x'),
  acting('deny', 'evt.type = init_module and proc.name = x'),
  acting('deny', 'evt.type = bpf and evt.arg.cmd = BPF_PROG_LOAD'),
];

const without = (prefix: string): readonly string[] =>
  Object.keys(ALL_HOOKS).filter((hook) => !hook.startsWith(prefix));

describe.each(['6.1', '6.12'] as const)('enforcing programs of level %s', (level) => {
  const programs = [[], without('lsm/')].flatMap((hooks) =>
    compile(RULES, { level, ...(hooks.length > 0 && { hooks }) }).object.programs.filter(
      ({ hook }) => !/fork|sched_process_exit/.test(hook),
    ),
  );

  it('there is one for each hook that rules can act at', () => {
    const hooks = new Set(programs.map(({ hook }) => hook));
    const wanted = Object.keys(ALL_HOOKS).filter((hook) => /^(lsm|cgroup)\//.test(hook));
    expect([...hooks].sort()).toEqual([...wanted, 'tp_btf/sched_process_exec', 'tp_btf/sys_exit'].sort());
  });

  it.each(programs.map((program) => [program.hook, program] as const))(
    '%s: nothing is done that does not lie behind the test of the scope',
    (_, program) => {
      const edges = successors(program);
      const test = scopeTest(program);
      expect(test).toBeGreaterThan(0);
      const all = doneAt(program, reached(edges));
      expect(all.length).toBeGreaterThan(0);
      expect(doneAt(program, reached(edges, { from: test, to: test + 1 }))).toEqual([]);
    },
  );
});
