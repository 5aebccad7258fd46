import { deepStrictEqual, strictEqual } from 'node:assert';
import { AT_FDCWD, make, open } from '../calls.ts';
import { group } from '../case.ts';
import { type CaseRule, OPEN_RULE, watch } from '../policies.ts';

const EPERM = 1;

const denyRule: CaseRule = { ...OPEN_RULE, action: 'deny', priority: 'critical', output: '%fd.name' };

export const enforcingCases = group('enforcing policies', ['hook:lsm/file_open', 'enforcement'], {
  'deny: the call fails with EPERM, and the alert says so': async (host) => {
    const path = await make(host, 'watched.txt');
    const { alerts, summary } = await watch(
      host,
      [denyRule],
      async () => {
        strictEqual(await open(host.task, path), -EPERM);
      },
      { enforce: true },
    );
    deepStrictEqual(
      alerts.map(({ output, verdict, enforced, hook }) => [output, verdict, enforced, hook]),
      [[path, 'deny', true, 'lsm/file_open']],
    );
    strictEqual(summary.denied, 1);
  },
  'deny: through a symbolic link and by a 32-bit call too': [
    ['ia32'],
    async (host) => {
      const path = await make(host, 'watched.txt');
      strictEqual(await host.task.call('symlinkat', [path, AT_FDCWD, `${host.folder}/innocent`]), 0);
      const { alerts } = await watch(
        host,
        [denyRule],
        async () => {
          strictEqual(await open(host.task, `${host.folder}/innocent`), -EPERM);
          strictEqual(await host.task.call('open', [path, 0, 0], 'ia32'), -EPERM);
        },
        { enforce: true },
      );
      strictEqual(alerts.length, 2);
    },
  ],
  'deny: others may, and so may everybody afterwards': async (host) => {
    const path = await make(host, 'watched.txt');
    const outsider = await host.outsider();
    await watch(
      host,
      [denyRule],
      async () => {
        strictEqual((await open(outsider, path)) >= 0, true);
        strictEqual(await open(host.task, path), -EPERM);
      },
      { enforce: true },
    );
    strictEqual((await open(host.task, path)) >= 0, true);
  },
  'monitor: nothing is denied, and the alert says what would have been': async (host) => {
    const path = await make(host, 'watched.txt');
    const { alerts, summary } = await watch(host, [denyRule], async () => {
      strictEqual((await open(host.task, path)) >= 0, true);
    });
    deepStrictEqual(
      alerts.map(({ output, enforced }) => [output, enforced]),
      [[path, false]],
    );
    strictEqual(summary.denied, 0);
  },
  'kill: a program that is executed never runs': async (host) => {
    const { alerts, summary } = await watch(
      host,
      [
        {
          condition: 'evt.type in (execve, execveat) and proc.args contains doomed',
          output: '%proc.cmdline',
          action: 'kill',
          priority: 'critical',
        },
      ],
      async () => {
        const child = await host.task.fork();
        await child.last('execve', [host.program, ['x', 'doomed'], []]);
        const other = await host.task.fork();
        strictEqual(await other.call('execve', [host.program, ['x', 'spared'], []]), 0);
      },
      { enforce: true },
    );
    deepStrictEqual(
      alerts.map(({ output, verdict, enforced }) => [output, verdict, enforced]),
      [['suite-driver doomed', 'kill', true]],
    );
    strictEqual(summary.killed, 1);
  },
});
