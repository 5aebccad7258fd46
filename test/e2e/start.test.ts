import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runAgent } from '../../agent/index.ts';
import { type Alert, findNatsServer, openAuditLog, readAuditLog, subscribeAlerts } from '../../alerts/index.ts';
import { DEMO_SCENARIO, demoPolicies } from '../../cli/demo.ts';
import { call, ldx, mov, R0, R1, R6, R10, stx } from '../../engine/isa/index.ts';
import { loadPolicies } from '../../policies/index.ts';
import { createSimSensor, loadScenario } from '../../sensors/index.ts';
import { observe } from '../sensors/sim/attached.ts';
import { startProgram } from '../support/cli.ts';
import { temporaryFolder } from '../support/folder.ts';
import { natsServer } from '../support/nats.ts';
import { comparable, readmeBlock } from '../support/readme.ts';
import { until } from '../support/until.ts';

const auditedAlerts = async (folder: string): Promise<readonly Alert[]> => {
  const alerts: Alert[] = [];
  for await (const { entry } of readAuditLog(folder, { strict: true }))
    if (entry.kind === 'alert') alerts.push(entry.body as Alert);
  return alerts;
};

const auditFolderIn = (stdout: string): string => /^audit log +(.+)$/m.exec(stdout)?.[1] ?? '';
/** The alerts on the screen, by their number in the audit log. */
const printedNumbers = (stdout: string): readonly number[] =>
  [...stdout.matchAll(/ #(\d+) +(?:critical|error|warning|notice)/g)].map(([, number]) => Number(number));

describe('npm start', { timeout: 60_000 }, () => {
  it('prints, logs and publishes the same alerts, of at least six rules', async (context) => {
    const { url } = await natsServer(context);
    const received: Alert[] = [];
    const subscription = await subscribeAlerts({ servers: url }, (alert) => received.push(alert));
    const { code, stdout, stderr } = await startProgram('start', ['--nats', url]).finished;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const logged = await auditedAlerts(auditFolderIn(stdout));
    await until(() => received.length >= logged.length);
    await subscription.close();
    expect(new Set(logged.map(({ rule }) => rule)).size).toBeGreaterThanOrEqual(6);
    expect(received).toEqual(logged);
    expect(printedNumbers(stdout)).toEqual(logged.map(({ seq }) => seq));
    expect(stdout).toContain(
      `The same ${logged.length} alerts were printed, are in the audit log, and reached a subscriber over NATS.\n`,
    );
  });

  it('starts a server of its own, fits one screen, and shows a denied call and a killed process', async (context) => {
    context.skip(findNatsServer() === undefined, 'nats-server is not installed');
    const { code, stdout, stderr } = await startProgram('start', []).finished;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^nats +nats:\/\/127\.0\.0\.1:\d+, started for this run; a subscriber listens$/m);
    expect(stdout).toMatch(/✗ DENIED: openat \S+ \S+ = -1 EPERM/);
    expect(stdout).toMatch(/✗ KILLED: SIGKILL before its first instruction/);
    expect(stdout).toMatch(/^enforcement 1 call denied and 1 process killed$/m);
    expect(stdout.trimEnd().split('\n').length).toBeLessThanOrEqual(50);
    expect(stdout.split('\n').filter((line) => [...line].length > 120)).toEqual([]);
    expect(comparable(stdout)).toBe(comparable(readmeBlock('Shrike    ')));
    expect(stdout.match(/^Try next\n(?: {2}node \S+main\.js .+\n){3}$/m)).not.toBeNull();
  });

  it('goes on without a broker where the server can not be reached, and says so by its exit code', async () => {
    const { code, stdout } = await startProgram('start', ['--nats', 'nats://127.0.0.1:1']).finished;
    expect(code).toBe(3);
    expect(stdout).toMatch(/^nats +nats:\/\/127\.0\.0\.1:1: connection refused; .*; going on without a broker$/m);
    const logged = await auditedAlerts(auditFolderIn(stdout));
    expect(stdout).toContain(`The same ${logged.length} alerts were printed, and are in the audit log.\n`);
    expect(printedNumbers(stdout)).toEqual(logged.map(({ seq }) => seq));
  });

  it('hands its arguments to shrike run', async () => {
    const { code, stderr } = await startProgram('start', ['--scenario', 'none']).finished;
    expect(code).toBe(2);
    expect(stderr).toMatch(/^shrike: there is no scenario "none"\. There are:\n/);
  });
});

const GET_CURRENT_PID_TGID = 14;

/** The intrusion of the demonstration, with a program of the test's own that sees every system call enter the kernel. */
const intrusion = async (enforce: boolean) => {
  const { policies } = loadPolicies(demoPolicies());
  const { scenario } = loadScenario(DEMO_SCENARIO);
  if (scenario === undefined) throw new Error('the scenario can not be loaded');
  const sensor = createSimSensor({ scenario });
  const entered = observe(sensor.host, 'raw_tp/sys_enter', 2, [
    mov(R6, R1),
    call(GET_CURRENT_PID_TGID),
    stx('dw', R10, -8, R0),
    ldx('dw', R0, R6, 8),
    stx('dw', R10, -16, R0),
  ]);
  const log = await openAuditLog({ folder: join(temporaryFolder(), 'audit'), host: 'test' });
  const alerts: Alert[] = [];
  await runAgent({ policies, sensor, host: 'test', enforce, log, onAlert: (alert) => alerts.push(alert) });
  await log.close();
  const calls = entered().map(([who = 0n, number = 0n]) => ({ pid: Number(who >> 32n), number: Number(number) }));
  return { sensor, alerts, calls };
};

/** Of arch/x86/entry/syscalls/syscall_64.tbl. */
const SYSCALLS = { execve: 59, openat: 257 };
const BACKUP = '/etc/shadow-';

describe('the intrusion of npm start', { timeout: 60_000 }, () => {
  it('with enforcement on: the killed process enters no further call; the denied one gets -EPERM and changes nothing', async () => {
    const { sensor, alerts, calls } = await intrusion(true);
    const killed = alerts.filter(({ verdict, enforced }) => verdict === 'kill' && enforced);
    expect(killed.map(({ process }) => process.exe)).toEqual(['/tmp/.x']);
    const pid = killed[0]?.process.pid ?? 0;
    expect(calls.filter((each) => each.pid === pid).map(({ number }) => number)).toEqual([SYSCALLS.execve]);
    expect(sensor.host.task(pid)).toBeUndefined();

    const denied = alerts.filter(({ verdict, enforced }) => verdict === 'deny' && enforced);
    expect(denied.map(({ fields }) => fields['fd.name'])).toEqual([BACKUP]);
    const writer = denied[0]?.process.pid ?? 0;
    expect(calls.filter((each) => each.pid === writer).map(({ number }) => number)).toContain(SYSCALLS.openat);
    expect(sensor.outcomes.filter((each) => each.denied).map(({ pid: by, result }) => [by, result])).toEqual([
      [writer, -1],
    ]);
    expect(sensor.host.fs.read(BACKUP)).toBe('root:*:19000:0:99999:7:::\n');
  });

  it('with enforcement off: both complete, and the alerts are the same', async () => {
    const [on, off] = [await intrusion(true), await intrusion(false)];
    const likeness = ({ verdict, rule, event, priority, process }: Alert) => [
      rule,
      event,
      priority,
      verdict,
      process.exe,
    ];
    expect(off.alerts.map(likeness)).toEqual(on.alerts.map(likeness));
    const acting = off.alerts.filter(({ verdict }) => verdict !== undefined);
    expect(acting.map(({ verdict, enforced }) => [verdict, enforced])).toEqual([
      ['kill', false],
      ['deny', false],
    ]);
    const dropper = acting[0]?.process.pid ?? 0;
    expect(off.calls.filter(({ pid }) => pid === dropper).length).toBeGreaterThan(1);
    expect(
      off.sensor.outcomes.filter(({ denied, killed, skipped }) => denied || killed || skipped !== undefined),
    ).toEqual([]);
    expect(off.sensor.host.fs.read(BACKUP)).toBe('root:$6$known:19000:0:99999:7:::\n');
  });
});
