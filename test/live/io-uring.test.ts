import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import { createMemoryLog } from '../../agent/memory-log.ts';
import type { Alert } from '../../alerts/index.ts';
import { loadPolicyText } from '../../policies/index.ts';
import { createLinuxSensor } from '../../sensors/index.ts';
import { clangSkip } from '../support/clang.ts';
import { temporaryFolder } from '../support/folder.ts';
import { liveUnavailable, type Ran, testCgroup } from '../support/live.ts';
import { compileProgram } from './behaviours/compile-program.ts';

const SOURCE = fileURLToPath(new URL('programs/io_uring.c', import.meta.url));

const POLICY = `
apiVersion: shrike/v1
kind: Policy
metadata: {name: rings}
spec:
  rules:
    - rule: Ring set up
      condition: evt.type = io_uring_setup and evt.io_uring = false
      output: "%proc.name %fd.num"
      priority: notice
    - rule: Opened
      condition: evt.io_uring = true and evt.type in (openat, openat2) and fd.name startswith /etc/
      output: "%evt.type %fd.name %evt.is_open_read %evt.is_open_create %evt.arg[mode] %proc.name %proc.pid"
      priority: warning
    - rule: Opened for writing
      condition: evt.io_uring = true and evt.type = openat and evt.is_open_write = true and fd.filename = written
      output: "%fd.name %evt.arg[flags] %evt.arg[mode] %evt.res %fd.num"
      priority: warning
    - rule: Connected
      condition: evt.io_uring = true and evt.type in (connect, bind, sendto) and fd.sip = 127.0.0.1
      output: "%evt.type %fd.sip:%fd.sport %fd.type"
      priority: warning
    - rule: Name changed
      condition: >
        evt.io_uring = true and (fs.path.name endswith /gone or fs.path.target endswith /gone or fs.path.target endswith /new
        or (evt.type = mkdirat and fs.path.name endswith /folder))
      output: "%evt.type %fs.path.name %fs.path.target"
      priority: warning
    - rule: The same as a call
      condition: evt.io_uring = false and evt.type in (openat, connect, unlinkat) and (fd.name = /etc/group or fs.path.name endswith /gone)
      output: "%evt.type"
      priority: warning
`;

/** Why there are no rings here; undefined where there are. Root may make them where only the unprivileged may not (1). */
const ioUringSkip = (): string | undefined => {
  try {
    const disabled = readFileSync('/proc/sys/kernel/io_uring_disabled', 'utf8').trim();
    return disabled === '2' ? 'kernel.io_uring_disabled is 2 here' : undefined;
  } catch {
    return undefined;
  }
};

const reason = liveUnavailable() ?? clangSkip() ?? ioUringSkip();

const listening = async (): Promise<{ server: Server; port: number }> => {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 };
};

describe.skipIf(reason)(`work through io_uring on the running kernel${reason ? ` (skipped: ${reason})` : ''}`, () => {
  it.each([
    ['that the process enters the ring for', []],
    ['that a thread of the kernel takes', ['sqpoll']],
  ])('is seen with its paths and addresses: %s', async (_, how) => {
    const { policies, diagnostics } = loadPolicyText('rings.yaml', POLICY);
    expect(diagnostics.map(({ message }) => message)).toStrictEqual([]);
    const program = compileProgram(SOURCE);
    const folder = temporaryFolder();
    const { server, port } = await listening();
    const scope = testCgroup();
    const alerts: Alert[] = [];
    let ran: Ran | undefined;
    try {
      const words = `open /etc/passwd openwrite written mkdir folder rename written folder/gone link folder/gone new`;
      const more = `symlink /etc/shadow folder/new unlink folder/gone connect ${port} open /nowhere bind ${port} send 9`;
      const { problems, lost } = await runAgent({
        policies,
        sensor: createLinuxSensor({
          scope: scope.path,
          source: async () => {
            ran = await scope.run(program, [...how, ...words.split(' '), ...more.split(' ')], { cwd: folder });
          },
        }),
        host: 'test',
        enforce: false,
        log: createMemoryLog('test'),
        onAlert: (alert) => void alerts.push(alert),
      });
      expect({ problems, lost: [...lost], code: ran?.code, stderr: ran?.stderr }).toStrictEqual({
        problems: [],
        lost: [],
        code: 0,
        stderr: '',
      });
      expect(ran?.stdout.split('\n').map((line) => line.replace(/ [3-9]$/, ' fd'))).toStrictEqual([
        'open fd',
        'openwrite fd',
        'mkdir 0',
        'rename 0',
        'link 0',
        'symlink 0',
        'unlink 0',
        'connect 0',
        'open -2',
        'bind -98',
        'send fd',
        '',
      ]);
      const name = program.slice(program.lastIndexOf('/') + 1).slice(0, 15);
      const at = (path: string): string => join(folder, path);
      expect(alerts.map(({ rule, output }) => `${rule}: ${output}`)).toStrictEqual([
        `Ring set up: ${name} 3`,
        `Opened: openat /etc/passwd true false 0 ${name} ${ran?.pid}`,
        `Opened for writing: ${at('written')} O_WRONLY|O_CREAT|O_APPEND S_IRUSR|S_IWUSR <unknown> <unknown>`,
        `Name changed: mkdirat ${at('folder')} ${at('folder')}`,
        `Name changed: renameat2 ${at('written')} ${at('folder/gone')}`,
        `Name changed: linkat ${at('folder/gone')} ${at('new')}`,
        `Name changed: symlinkat ${at('folder/new')} ${at('folder/new')}`,
        `Name changed: unlinkat ${at('folder/gone')} ${at('folder/gone')}`,
        `Connected: connect 127.0.0.1:${port} ipv4`,
        `Connected: bind 127.0.0.1:${port} ipv4`,
        'Connected: sendto 127.0.0.1:9 ipv4',
      ]);
    } finally {
      server.close();
      await scope.remove();
    }
  });
});
