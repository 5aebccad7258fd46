import { describe, expect, it } from 'vitest';
import { compile, type Rule } from '../../rules/index.ts';
import { createSimHost } from '../../sensors/index.ts';
import { count, inLargerSizes, suiteSize } from '../support/counts.ts';
import { ruleOf } from '../support/rules.ts';

const load = (rules: readonly Rule[]) => {
  const compiled = compile(rules, { level: '6.1' });
  expect(compiled.diagnostics).toEqual([]);
  const { kernel } = createSimHost({ memory: 64 * 1024 * 1024 });
  const maps = new Map(compiled.object.maps.map((spec) => [spec.name, kernel.createMap(spec)]));
  return new Map(compiled.object.programs.map((spec) => [spec.hook, kernel.loadProgram(spec, maps).explored]));
};

const KINDS: readonly ((number: number) => string)[] = [
  (number) => `evt.type in (open, openat, openat2) and fd.name = /srv/file${number} and not proc.name = prog${number}`,
  (number) => `evt.type = connect and fd.sip = 10.0.${number >> 8}.${number & 255} and fd.sport = ${number + 1}`,
  (number) => `evt.type in (execve, execveat) and proc.cmdline startswith "cmd${number} " and user.uid = ${number}`,
  (number) => `evt.type = kill and evt.arg[sig] = SIGKILL and user.uid = ${number}`,
  (number) => `evt.type in (unlink, rename) and (fs.path.name startswith /x${number}/ or fs.path.source = /y${number})`,
  (number) => `user.uid = ${number} and proc.aname = p${number}`,
];
const mixed = (length: number): Rule[] =>
  Array.from({ length }, (_, number) => ruleOf(`rule ${number}`, KINDS[number % KINDS.length]?.(number) ?? ''));

/** Many rules take seconds to compile: fewer where little time is given. */
const MANY = suiteSize === 'quick' ? 100 : 1000;

describe('compiled rules', { timeout: 120_000 }, () => {
  it('are three programs where there are none: what processes do is followed all the same', () => {
    expect([...load([]).keys()]).toEqual([
      'tp_btf/sched_process_exec',
      'tp_btf/sched_process_fork',
      'tp_btf/sched_process_exit',
    ]);
  });

  it('load where a rule names no event type', () => {
    const rules = [ruleOf('all', 'user.uid = 0 and not proc.name = x'), ruleOf('everything', 'proc.pid exists')];
    for (const set of suiteSize === 'quick' ? [rules] : rules.map((rule) => [rule]))
      expect(load(set).has('tp_btf/sys_exit')).toBe(true);
  });

  it('cost a verifier little more the more there are', (context) => {
    inLargerSizes(context);
    const explored = (rules: readonly Rule[]) => [...load(rules).values()].reduce((sum, each) => sum + each, 0);
    expect(explored(mixed(suiteSize === 'quick' ? 36 : 300))).toBeLessThan(2 * explored(mixed(6)));
  });

  it('of a hundred patterns that may begin anywhere stay below the million instructions that a kernel follows', () => {
    const words = Array.from({ length: 100 }, (_, number) =>
      ruleOf(`word ${number}`, `evt.type = execve and proc.cmdline contains word${number}`),
    );
    expect(load(words).get('tp_btf/sched_process_exec')).toBeLessThan(500_000);
  });

  it('of any number are programs of nearly the same size, since rules are data', () => {
    const size = (number: number): number => {
      const { diagnostics, object } = compile(mixed(number), { level: '6.1' });
      expect(diagnostics).toEqual([]);
      return object.programs.reduce((sum, { instructions }) => sum + instructions.length, 0);
    };
    expect(size(MANY)).toBeLessThan(2 * size(MANY / 10));
    expect(load(mixed(MANY)).get('tp_btf/sys_exit')).toBeLessThan(500_000);
  });

  it('are the same bytes whenever they are compiled', () => {
    const rules = mixed(count(3000));
    const bytes = () =>
      JSON.stringify(compile(rules, { level: '6.12' }).object, (_, value: unknown) =>
        typeof value === 'bigint' ? String(value) : value,
      );
    expect(bytes()).toBe(bytes());
  });
});
