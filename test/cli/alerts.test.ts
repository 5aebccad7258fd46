import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { jsonLines, shrike, startProgram } from '../support/cli.ts';
import { temporaryFolder } from '../support/folder.ts';
import { natsServer } from '../support/nats.ts';
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

const publish = async (url: string, host: string): Promise<string> => {
  const folder = temporaryFolder();
  const [policy, scenario] = [join(folder, 'p.yaml'), join(folder, 's.yaml')];
  writeFileSync(policy, POLICY);
  writeFileSync(scenario, SCENARIO);
  const done = await shrike('run', '--policies', policy, '--scenario', scenario, '--nats', url, '--host', host);
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
  const again = await shrike('alerts', '--nats', url, '--since', 'all', '--priority', 'error', '--count', '1');
  expect(again).toMatchObject({ code: 0, stderr: '' });
  expect(again.stdout).toMatch(/^\d\d:\d\d:\d\d\.\d{3} error {9}Groups read: cat \(hosts on web-1\)\n$/);
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
