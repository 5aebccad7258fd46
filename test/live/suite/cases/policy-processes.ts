import { deepStrictEqual, strictEqual } from 'node:assert';
import { AT_EMPTY_PATH, AT_FDCWD, make, open } from '../calls.ts';
import { group } from '../case.ts';
import { OPEN_RULE, outputs, watch } from '../policies.ts';

const HOOK = 'tp_btf/sys_exit';
const ENOENT = 2;

export const policyProcessCases = group('compiled policies on processes', [`hook:${HOOK}`], {
  'exec has arguments and executable': async (host) => {
    const { alerts } = await watch(
      host,
      [
        {
          condition: 'evt.type = execve and proc.args contains secret',
          output: '%proc.exepath|%proc.cmdline|%proc.name|%proc.pid',
        },
      ],
      async () => {
        const child = await host.task.fork();
        strictEqual(await child.call('execve', [host.program, ['named', 'a secret', 'x'], []]), 0);
      },
    );
    const [pid] = alerts.map(({ process }) => process.pid);
    deepStrictEqual(outputs(alerts), [`${host.program}|suite-driver a secret x|suite-driver|${pid}`]);
  },
  'execveat is an exec': async (host) => {
    const { alerts } = await watch(
      host,
      [{ condition: 'evt.type in (execve, execveat) and proc.args = quietly', output: '%proc.exepath %proc.cmdline' }],
      async () => {
        strictEqual(await host.task.call('execveat', [AT_FDCWD, host.program, ['x', 'quietly'], [], 0]), 0);
      },
    );
    deepStrictEqual(outputs(alerts), [`${host.program} suite-driver quietly`]);
  },
  'a program in anonymous memory is known as such': async (host) => {
    const { alerts } = await watch(
      host,
      [
        {
          condition: 'evt.type in (execve, execveat) and proc.is_exe_from_memfd = true',
          output: '%proc.args %proc.is_exe_from_memfd',
        },
      ],
      async () => {
        const fd = await host.task.call('memfd_create', ['payload', 0]);
        strictEqual(fd >= 0, true);
        const image = host.programBytes();
        strictEqual(await host.task.call('pwrite64', [fd, image, image.length, 0]), image.length);
        const child = await host.task.fork();
        strictEqual(await child.call('execve', [host.program, ['plain'], []]), 0);
        strictEqual(await child.call('execveat', [fd, '', ['x', 'hidden'], [], AT_EMPTY_PATH]), 0);
      },
    );
    deepStrictEqual(outputs(alerts), ['hidden true']);
  },
  'a failed exec is no new program': async (host) => {
    const { alerts } = await watch(
      host,
      [{ condition: 'evt.type = execve and evt.failed = true', output: '%evt.res %proc.name %proc.cmdline' }],
      async () => {
        strictEqual(await host.task.call('execve', ['/nothing/here', ['other'], []]), -ENOENT);
      },
    );
    deepStrictEqual(outputs(alerts), ['ENOENT suite-driver suite-driver']);
  },
  'a child has its parent, by what the parent ran': async (host) => {
    const path = await make(host, 'watched.txt');
    const { alerts } = await watch(
      host,
      [
        {
          condition: `${OPEN_RULE.condition} and proc.pcmdline = "suite-driver one"`,
          output: '%proc.cmdline < %proc.pcmdline',
        },
      ],
      async () => {
        strictEqual(await host.task.call('execve', [host.program, ['parent', 'one'], []]), 0);
        const child = await host.task.fork();
        strictEqual(await child.call('execve', [host.program, ['child', 'two'], []]), 0);
        await open(child, path);
        await open(host.task, path);
      },
    );
    deepStrictEqual(outputs(alerts), ['suite-driver two < suite-driver one']);
  },
  'processes that were there before are known': async (host) => {
    const path = await make(host, 'watched.txt');
    strictEqual(await host.task.call('execve', [host.program, ['long', 'before'], []]), 0);
    const child = await host.task.fork();
    const { alerts } = await watch(
      host,
      [{ ...OPEN_RULE, output: '%proc.cmdline|%proc.exepath|%proc.pcmdline' }],
      async () => {
        await open(child, path);
      },
    );
    deepStrictEqual(outputs(alerts), [`suite-driver before|${host.program}|suite-driver before`]);
  },
  "a thread's call is its process's, with a tid of its own": async (host) => {
    const path = await make(host, 'watched.txt');
    const thread = await host.task.fork('thread');
    const { alerts } = await watch(host, [{ ...OPEN_RULE, output: '%proc.pid %thread.tid' }], async () => {
      await open(thread, path);
    });
    deepStrictEqual(outputs(alerts), [`${host.task.pid} ${thread.pid}`]);
  },
  'a process that ends is an event': async (host) => {
    const { alerts } = await watch(
      host,
      [{ condition: 'evt.type = procexit and proc.cmdline contains leaving', output: '%evt.type %proc.cmdline' }],
      async () => {
        const child = await host.task.fork();
        strictEqual(await child.call('execve', [host.program, ['now', 'leaving'], []]), 0);
        await child.last('exit_group', [0]);
      },
    );
    deepStrictEqual(outputs(alerts), ['procexit suite-driver leaving']);
  },
  'ids in effect are those at the time of the call': async (host) => {
    const path = await make(host, 'watched.txt');
    const { alerts } = await watch(
      host,
      [{ condition: `${OPEN_RULE.condition} and user.uid = 1234`, output: '%user.uid %group.gid' }],
      async () => {
        const child = await host.task.fork();
        await open(child, path);
        strictEqual(await child.call('setresgid', [77, 77, 77]), 0);
        strictEqual(await child.call('setresuid', [1234, 1234, 1234]), 0);
        await open(child, path);
      },
    );
    deepStrictEqual(outputs(alerts), ['1234 77']);
  },
});
