import { deepStrictEqual, strictEqual } from 'node:assert';
import { make } from '../calls.ts';
import type { Case } from '../case.ts';
import type { Host } from '../host.ts';
import { type CaseRule, OPEN, watch } from '../policies.ts';
import { DENIALS, type Denial, said } from './denials.ts';

const [EPERM, ENOENT] = [1, 2];

const denying = (host: Host, { rule }: Denial): CaseRule => ({ ...rule(host), action: 'deny', priority: 'critical' });

/** Under an enforcing rule the call fails and has no effect; under its monitoring twin it does what it does, and is counted. */
const denied =
  (denial: Denial, hook: string, without: (hook: string) => boolean = () => false) =>
  async (host: Host): Promise<void> => {
    const prepared = await denial.prepare(host);
    const rules = [denying(host, denial)];
    let result = 0;
    const enforced = await watch(
      host,
      rules,
      async () => {
        result = await denial.call(host, prepared);
      },
      { enforce: true, without },
    );
    deepStrictEqual(enforced.warnings, []);
    deepStrictEqual(said(enforced.alerts), [[hook, denial.output(host, prepared), 'deny', true]]);
    strictEqual(result, -EPERM);
    strictEqual(enforced.summary.denied, 1);
    await denial.intact(host, prepared);
    const monitored = await watch(
      host,
      rules,
      async () => {
        result = await denial.call(host, prepared);
        strictEqual(denial.allowed(result), true, `the call gave ${result}`);
      },
      { without },
    );
    await denial.undo?.(host);
    deepStrictEqual(said(monitored.alerts), [[hook, denial.output(host, prepared), 'deny', false]]);
    strictEqual(monitored.summary.denied, 0);
  };

const isLsm = (hook: string): boolean => hook.startsWith('lsm/');

/** LSM programs refuse: every hook that a rule can deny at. */
export const lsmDenialCases: readonly Case[] = Object.entries(DENIALS).map(([name, denial]) => ({
  name: `denied by LSM: ${name}`,
  needs: [`hook:${denial.hook}`, 'enforcement', ...(denial.needs ?? [])],
  run: denied(denial, denial.hook),
}));

/** Where there is no LSM, programs of the observed cgroup refuse; attached to that cgroup, they are asked by nobody else's calls. */
export const cgroupDenialCases: readonly Case[] = (
  [
    ['connect', 'cgroup/connect4'],
    ['bind', 'cgroup/bind4'],
    ['sendto', 'cgroup/sendmsg4'],
  ] as const
).flatMap(([name, hook]): readonly Case[] => {
  const denial = DENIALS[name];
  if (denial === undefined) throw new Error(`there is no denial ${name}`);
  return [
    { name: `denied by the cgroup: ${name}`, needs: [`hook:${hook}`], run: denied(denial, hook, isLsm) },
    {
      name: `denied by the cgroup: ${name}, by others it is not`,
      needs: [`hook:${hook}`],
      run: async (host) => {
        const other: Host = { ...host, task: await host.outsider() };
        const prepared = await denial.prepare(other);
        const { alerts } = await watch(
          host,
          [denying(host, denial)],
          async () => strictEqual(denial.allowed(await denial.call(other, prepared)), true),
          { enforce: true, without: isLsm },
        );
        deepStrictEqual(said(alerts), []);
      },
    },
  ];
});

const SHELL = '/bin/sh';

/** A shell in the scope that would write a file, and ends; in the simulation nothing is written, and it goes on if it may. */
const write = async (host: Host, path: string, survives: boolean): Promise<void> => {
  const child = await host.task.fork();
  const args = [SHELL, ['sh', '-c', `: > ${path}`, 'doomed'], []] as const;
  if (survives && host.kind === 'sim') strictEqual(await child.call('execve', args), 0);
  else await child.last('execve', args);
};

const killing: CaseRule = {
  condition: 'evt.type in (execve, execveat) and proc.args endswith doomed',
  output: '%proc.name %evt.type',
  action: 'kill',
  priority: 'critical',
};

/** Killed at exec: not one instruction of the program runs. */
export const execKillCases: readonly Case[] = [
  {
    name: 'killed at exec: a program that would write a file has written none',
    needs: ['hook:tp_btf/sched_process_exec', 'shell'],
    run: async (host) => {
      const path = `${host.folder}/written`;
      const { alerts, summary } = await watch(host, [killing], () => write(host, path, false), { enforce: true });
      strictEqual(await host.task.call('access', [path, 0]), -ENOENT);
      deepStrictEqual(said(alerts), [['tp_btf/sched_process_exec', 'sh execve', 'kill', true]]);
      strictEqual(summary.killed, 1);
      const monitored = await watch(host, [killing], () => write(host, path, true));
      if (host.kind === 'linux') strictEqual(await host.task.call('access', [path, 0]), 0);
      deepStrictEqual(said(monitored.alerts), [['tp_btf/sched_process_exec', 'sh execve', 'kill', false]]);
    },
  },
];

/** Where nothing comes before the effect, the process is killed when its call has had it. */
export const signalCases: readonly Case[] = [
  {
    name: 'killed after the effect: the call is made, and the caller does not return from it',
    needs: ['hook:tp_btf/sys_exit'],
    run: async (host) => {
      const path = await make(host, 'watched.txt');
      const rule: CaseRule = {
        condition: `${OPEN.replace(', creat', '')} and fd.name endswith /watched.txt and evt.is_open_write = true`,
        output: '%fd.name',
        action: 'kill',
        priority: 'critical',
      };
      const child = await host.task.fork();
      const { alerts, summary } = await watch(host, [rule], async () => child.last('openat', [-100, path, 0o1001, 0]), {
        enforce: true,
        without: isLsm,
      });
      strictEqual(child.alive(), false);
      deepStrictEqual(said(alerts), [['tp_btf/sys_exit', path, 'kill', true]]);
      strictEqual(summary.killed, 1);
    },
  },
];
