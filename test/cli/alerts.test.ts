import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, headers } from 'nats';
import { expect, it } from 'vitest';
import { alertSubject } from '../../alerts/index.ts';
import { anAlert } from '../support/alert.ts';
import { jsonLines, startProgram } from '../support/cli.ts';
import { shrike } from '../support/command.ts';
import { temporaryFolder } from '../support/folder.ts';
import { natsServer } from '../support/nats.ts';
import { slowServer } from '../support/slow-server.ts';
import { until } from '../support/until.ts';

const POLICY = `apiVersion: shrike/v1
kind: Policy
metadata: {name: hosts}
spec:
  rules:
    - {rule: Hosts read, condition: evt.type = openat and fd.name = /etc/hosts, priority: notice, output: "%proc.name"}
    - {rule: Groups read, condition: evt.type = openat and fd.name = /etc/group, priority: error, output: "%proc.name"}
`;
const SCENARIO = `name: two
steps:
  - {exec: [cat, /etc/hosts]}
  - {openat: /etc/hosts, by: cat}
  - {openat: /etc/group, by: cat}
`;

const publish = async (url: string, host: string, ...more: readonly string[]): Promise<string> => {
  const folder = temporaryFolder();
  const [policy, scenario] = [join(folder, 'p.yaml'), join(folder, 's.yaml')];
  writeFileSync(policy, POLICY);
  writeFileSync(scenario, SCENARIO);
  const done = await shrike(
    'run',
    '--policies',
    policy,
    '--scenario',
    scenario,
    '--nats',
    url,
    '--host',
    host,
    ...more,
  );
  expect(done).toMatchObject({ code: 0, stderr: '' });
  return done.stdout;
};

it('prints what a run published, new and from the stream, and what filters let through', async (context) => {
  const { url } = await natsServer(context);
  const live = startProgram('main', ['alerts', '--nats', url, '--count', '2', '--json', '--log-level', 'info']);
  let log = '';
  live.process.stderr.on('data', (chunk: string) => {
    log += chunk;
  });
  await until(() => log.includes('subscribed at'));
  expect(await publish(url, 'web-1')).toContain(`published   2 alerts to ${url} (JetStream)\n`);
  const received = await live.finished;
  expect(received.code).toBe(0);
  expect(jsonLines(received.stdout)).toMatchObject([
    { rule: 'Hosts read', host: 'web-1' },
    { rule: 'Groups read', host: 'web-1' },
  ]);
  const again = await shrike('alerts', '--nats', url, '--no-follow', '--min-priority', 'error');
  expect(again).toMatchObject({ code: 0, stderr: '' });
  expect(again.stdout).toMatch(/^\d\d:\d\d:\d\d\.\d{3} error {9}Groups read: cat \(hosts on web-1\)\n$/);
});

it('reads what a run published under a template, beside other formats', async (context) => {
  const { url } = await natsServer(context);
  const template = 'security.<host>.<rule>';
  const printed = await publish(url, 'web-1', '--publish', `native=${template}`, 'falco', 'ecs');
  expect(printed).toContain(`published   2 alerts to ${url} (JetStream)\n`);
  const { code, stdout } = await shrike(
    'alerts',
    '--nats',
    url,
    '--subject',
    template,
    '--no-follow',
    '--format',
    '%host %rule',
  );
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'web-1 Hosts read\nweb-1 Groups read\n' });
  const connection = await connect({ servers: url });
  const manager = await connection.jetstreamManager();
  const names: string[] = [];
  for await (const { config, state } of manager.streams.list()) names.push(`${config.name} ${state.messages}`);
  await connection.close();
  expect(names.sort()).toEqual(['SHRIKE_ECS 2', 'SHRIKE_FALCO_WEB_1 2', 'SHRIKE_SECURITY 2']);
});

it('reads all that a short run published to a server that answers late', async (context) => {
  const { url } = await natsServer(context);
  const slow = await slowServer(url, 550);
  expect(await publish(slow, 'web-1')).toContain(`published   2 alerts to ${slow} (JetStream)\n`);
  expect((await shrike('alerts', '--nats', url, '--no-follow', '--format', '%rule')).stdout).toBe(
    'Hosts read\nGroups read\n',
  );
});

it('ends behind what there is, says what is missing, and goes on from a position', async (context) => {
  const { url } = await natsServer(context);
  const connection = await connect({ servers: url });
  const manager = await connection.jetstreamManager();
  await manager.streams.add({ name: 'SHRIKE_ALERTS', subjects: ['shrike.alerts.>'] });
  const send = async (seq: number, previous: number, output = 'cat read\u001b[2J it') => {
    const alert = anAlert(seq, { output });
    const found = headers();
    found.set('Nats-Msg-Id', `${alert.id}-aaaaaaaa`);
    found.set('Shrike-Previous', String(previous));
    const subject = alertSubject(alert.host, alert.priority, alert.rule);
    await connection.jetstream().publish(subject, JSON.stringify(alert), { headers: found });
  };
  await send(2, 0);
  await send(5, 4);
  const missing = 'alerts of web-1 did not arrive: those after web-1-2 up to web-1-4';
  const once = ['alerts', '--nats', url, '--no-follow', '--format', '%id %process.pid%% %proc.name: %output'];
  const printed = 'web-1-2 42% cat: cat read\\x1b[2J it\nweb-1-5 42% cat: cat read\\x1b[2J it\n';
  const plain = await shrike(...once);
  expect(plain).toMatchObject({ code: 0, stdout: printed });
  expect(plain.stderr).toContain(missing);
  const failing = await shrike(...once, '--fail-on-gap', '--rule', 'Password file read');
  expect(failing).toMatchObject({ code: 1, stdout: printed });
  expect(failing.stderr).toContain('shrike: alerts of web-1 are missing: those after web-1-2 up to web-1-4\n');
  const file = join(temporaryFolder(), 'position.json');
  expect((await shrike(...once, '--position', file, '--count', '1')).stdout).toMatch(/^web-1-2 /);
  expect((await shrike(...once, '--position', file)).stdout).toMatch(/^web-1-5 /);
  expect((await shrike(...once, '--position', file)).stdout).toBe('');
  await send(7, 5, 'later');
  expect((await shrike(...once, '--position', file)).stdout).toBe('web-1-7 42% cat: later\n');
  expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ v: 1, sequence: 3 });
  expect((await shrike(...once, '--from-seq', '5', '--host', 'web-1')).stdout).toMatch(/^web-1-5 .*\nweb-1-7 .*\n$/);
  expect((await shrike(...once, '--since', '3')).stdout).toMatch(/^web-1-7 .*\n$/);
  expect((await shrike(...once, '--since', '1h', '--until', '2020-01-01')).stdout).toBe('');
  expect((await shrike(...once, '--since', '1h', '--where', 'output=later')).stdout).toBe('web-1-7 42% cat: later\n');
  await connection.close();
});

it.each([
  [['--from-seq', '3'], "shrike: --from-seq is a number of one host's log: give the host with --host\n"],
  [['--from-seq', '3', '--host', 'a', '--since', 'all'], 'shrike: --since and --from-seq exclude each other\n'],
  [
    ['--since', 'yesterday'],
    "shrike: option '--since <from>' argument 'yesterday' is invalid. Expected 30s, 5m, 2h or 7d for so long ago, or a time: 2026-01-02T03:04:05Z.\n",
  ],
  [
    ['--where', 'x'],
    'shrike: "x" is no comparison; expected a field or member, one of = != ^= $= *= and a value: proc.name=cat, process.exe^=/tmp/\n',
  ],
  [
    ['--subject', '<rule>'],
    'shrike: the subject template "<rule>" can\'t be used: it must begin with a literal part, or it would take subjects that are not its own; an example: security.<host>.<priority>.<rule>\n',
  ],
])('refuses %j', async (args, stderr) => {
  expect(await shrike('alerts', ...args)).toEqual({ code: 2, stdout: '', stderr });
});

it('ends with exit code 3 and the remedy where there is no server', async () => {
  expect(await shrike('alerts', '--nats', 'nats://127.0.0.1:1')).toEqual({
    code: 3,
    stdout: '',
    stderr:
      'shrike: nats://127.0.0.1:1: connection refused; is nats-server running? Start one with "nats-server -js", or leave out --nats\n',
  });
});

it('ends with exit code 3 where the server keeps no stream to read again', async (context) => {
  const { url } = await natsServer(context, { jetstream: false });
  const { code, stderr } = await shrike('alerts', '--nats', url, '--since', 'all');
  expect(code).toBe(3);
  expect(stderr).toMatch(/it keeps no stream of alerts to read again; leave out --since\n$/);
});
