import type { ChildProcess } from 'node:child_process';
import { readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import type { Alert } from '../../alerts/index.ts';
import type { Rule } from '../../rules/index.ts';
import { createLinuxSensor, type LinuxKernel, openLinuxKernel } from '../../sensors/index.ts';
import { openCgroups } from '../../sensors/linux/cgroups.ts';
import { processesOf } from '../../sensors/linux/processes.ts';
import { memoryLog } from '../support/audit.ts';
import { temporaryFolder } from '../support/folder.ts';
import { liveUnavailable, type TestCgroup, testCgroup } from '../support/live.ts';
import { policyOf, ruleOf } from '../support/rules.ts';
import { until } from '../support/until.ts';

const skip = liveUnavailable();
const sh = (): string => readlinkSync('/bin/sh').replace(/^(?!\/)/, '/usr/bin/');

/** Waits for a line on stdin, then reads the file; the waiting is done by a grandchild of the first shell. */
const READER = 'sh -c \'while read file; do cat "$file" > /dev/null; : < "$file"; done\' reader; :';

/** The processes as /proc knows them, as if this kernel had no iterator. */
const byProc = (kernel: LinuxKernel, { path }: TestCgroup): LinuxKernel => ({
  ...kernel,
  processes: () => processesOf(openCgroups(path), path),
});

/** Runs an agent that comes when the shells have long been there; then they read the secret. */
const run = async (
  rules: (secret: string) => readonly Rule[],
  change: (kernel: LinuxKernel, cgroup: TestCgroup) => LinuxKernel = (kernel) => kernel,
) => {
  const cgroup = testCgroup();
  onTestFinished(() => cgroup.remove());
  const secret = join(temporaryFolder(), 'secret');
  writeFileSync(secret, '');
  const shells: ChildProcess = cgroup.start('sh', ['-c', READER, 'outer'], { stdio: ['pipe', 'ignore', 'ignore'] });
  const kernel = openLinuxKernel({ scope: cgroup.path });
  onTestFinished(() => kernel.close());
  await until(() => kernel.processes(cgroup.path).length === 2);
  const alerts: Alert[] = [];
  const summary = await runAgent({
    policies: [policyOf(rules(secret))],
    sensor: createLinuxSensor({
      scope: cgroup.path,
      kernel: change(kernel, cgroup),
      source: async () => {
        shells.stdin?.end(`${secret}\n`);
        await new Promise((resolve) => shells.once('exit', resolve));
      },
    }),
    host: 'h',
    enforce: false,
    log: memoryLog().log,
    onAlert: (alert) => alerts.push(alert),
  });
  return { alerts, summary, pid: shells.pid };
};

const outer = { exe: sh(), cmdline: expect.stringMatching(/^sh -c sh -c .* outer$/) };
const inner = { exe: sh(), cmdline: expect.stringMatching(/^sh -c while .* reader$/) };

describe.skipIf(skip)(`a process that was there before the agent${skip ? ` (skipped: ${skip})` : ''}`, () => {
  const OF_FACTS = (secret: string) => [
    ruleOf('by the shell', `evt.type in (open, openat) and fd.name = ${secret} and proc.cmdline endswith reader`),
    ruleOf(
      'by its child',
      `evt.type in (open, openat) and fd.name = ${secret} and proc.name = cat and proc.pcmdline endswith reader`,
    ),
    ruleOf(
      'by a grandchild',
      `evt.type in (open, openat) and fd.name = ${secret} and proc.name = cat and proc.aname[2] = sh`,
    ),
    ruleOf('by another', `evt.type in (open, openat) and fd.name = ${secret} and proc.name = tail`),
  ];

  it.each([
    ['the iterator over tasks', undefined],
    ['/proc', byProc],
  ])('is attributed right, with its ancestors, from %s', async (_, change) => {
    const { alerts, pid } = await run(OF_FACTS, change);
    expect(alerts.map(({ rule }) => rule).sort()).toEqual(['by a grandchild', 'by its child', 'by the shell']);
    expect(alerts.find(({ rule }) => rule === 'by the shell')?.process).toMatchObject({
      ...inner,
      ancestors: [{ pid, ...outer }],
    });
    expect(alerts.find(({ rule }) => rule === 'by its child')?.process).toMatchObject({
      exe: expect.stringMatching(/\/cat$/),
      ancestors: [inner, { pid, ...outer }],
    });
  });

  it('is found by the kernel part alone, which needs no user space to drop what does not match', async () => {
    const { alerts, summary } = await run((secret) => [
      ruleOf('never', `evt.type in (open, openat) and fd.name = ${secret} and proc.cmdline endswith nobody`),
      ruleOf('not by the shell', `evt.type in (open, openat) and fd.name = ${secret} and not proc.name in (sh, cat)`),
    ]);
    expect(alerts).toEqual([]);
    expect(summary.residualDropped).toBe(0);
  });
});
