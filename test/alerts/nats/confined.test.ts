import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, nkeyAuthenticator } from 'nats';
import { expect, it, onTestFinished, type TestContext } from 'vitest';
import {
  type Alert,
  type AlertSubscription,
  createPublisher,
  type NatsAddress,
  openAuditLog,
  type SubscribeOptions,
  startNatsServer,
  subscribeAlerts,
} from '../../../alerts/index.ts';
import { createUserKey, inboxPrefixOf } from '../../../alerts/nats/nkey.ts';
import { accountsConfig, serverConfig } from '../../../alerts/nats/server-config.ts';
import { anAlert } from '../../support/alert.ts';
import { inLargerSizes } from '../../support/counts.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { natsServer } from '../../support/nats.ts';
import { until } from '../../support/until.ts';

const FLUSH_MS = 30_000;
const NAMES = ['admin', 'web', 'web1', 'all', 'onlyWeb', 'critical'] as const;
type Name = (typeof NAMES)[number];

/** A server in whose configuration each agent and subscriber has an account of its own, its store, and a key file for each. */
const startConfined = async (context: TestContext) => {
  const folder = temporaryFolder();
  const keys = Object.fromEntries(NAMES.map((name) => [name, createUserKey()]));
  const publicKey = (name: Name): string => keys[name]!.publicKey;
  for (const name of NAMES) writeFileSync(join(folder, name), `${keys[name]!.seed}\n`, { mode: 0o600 });
  const storeDir = join(folder, 'js');
  mkdirSync(storeDir);
  const configuration = join(folder, 'nats-server.conf');
  writeFileSync(configuration, serverConfig({ listen: '127.0.0.1:0', storeDir }));
  writeFileSync(
    join(folder, 'accounts.conf'),
    accountsConfig({
      admin: publicKey('admin'),
      agents: [
        { host: 'web', publicKey: publicKey('web') },
        { host: 'web-1', publicKey: publicKey('web1') },
      ],
      subscribers: [
        { name: 'all', publicKey: publicKey('all') },
        { name: 'only web', publicKey: publicKey('onlyWeb'), hosts: ['web'] },
        { name: 'critical', publicKey: publicKey('critical'), priorities: ['critical'] },
      ],
    }),
  );
  const options = { jetstream: false, arguments: ['-c', configuration] };
  const server = await natsServer(context, options);
  const as = (name: Name): NatsAddress => ({ url: server.url, nkeyFile: join(folder, name) });
  const asAdmin = async () => {
    const connection = await connect({
      servers: server.url,
      authenticator: nkeyAuthenticator(new TextEncoder().encode(keys.admin!.seed)),
      inboxPrefix: inboxPrefixOf(publicKey('admin')),
    });
    onTestFinished(() => connection.close());
    return connection.jetstreamManager({ checkAPI: false });
  };
  const makeStream = async () =>
    (await asAdmin()).streams.add({ name: 'SHRIKE_ALERTS', subjects: ['shrike.alerts.>'], allow_direct: true });
  const again = async () => {
    const next = await startNatsServer({ ...options, port: server.port });
    onTestFinished(() => next.stop());
    return next;
  };
  return { server, storeDir, as, asAdmin, makeStream, again };
};

const startAgent = async (servers: NatsAddress, host: string, folder = temporaryFolder()) => {
  const said: string[] = [];
  const log = await openAuditLog({ folder, host });
  const publisher = createPublisher({ servers, host, log, report: (sentence) => said.push(sentence) });
  const end = async () => {
    await publisher.close();
    await log.close();
  };
  onTestFinished(end);
  const raise = async (count: number, settles = true): Promise<void> => {
    for (let index = 0; index < count; index++)
      log.append('alert', (seq) => anAlert(seq, { host, id: `${host}-${seq}` }));
    await log.flush();
    if (settles) expect(await publisher.flush(FLUSH_MS)).toBe(true);
  };
  return { publisher, said, raise, end };
};

const read = async (options: SubscribeOptions) => {
  const got: string[] = [];
  const said: string[] = [];
  const subscription = await subscribeAlerts(
    { ...options, report: (sentence) => said.push(sentence) },
    (alert: Alert) => got.push(alert.id),
  );
  onTestFinished(() => subscription.close());
  return { got, said, subscription };
};

const readAll = async (options: SubscribeOptions): Promise<readonly string[]> => {
  const { got, subscription } = await read({ from: 'all', follow: false, ...options });
  await subscription.ended;
  return got;
};

const ids = (host: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => `${host}-${from + index}`);

it('publishes, and reads old and new alerts, where each has an account of its own', async (context) => {
  const { as, makeStream } = await startConfined(context);
  await makeStream();
  const [web, web1] = [await startAgent(as('web'), 'web'), await startAgent(as('web1'), 'web-1')];
  const live = await read({ servers: as('all') });
  await web.raise(20);
  await web1.raise(30);
  await until(() => live.got.length === 50);
  expect(live.got.filter((id) => !id.startsWith('web-1-'))).toEqual(ids('web', 1, 20));
  expect(live.got.filter((id) => id.startsWith('web-1-'))).toEqual(ids('web-1', 1, 30));
  expect([...web.said, ...web1.said, ...live.said]).toEqual([]);
  expect(await readAll({ servers: as('all') })).toEqual(live.got);
  expect(await readAll({ servers: as('onlyWeb'), filters: { host: 'web' } })).toEqual(ids('web', 1, 20));
  expect(await readAll({ servers: as('critical'), filters: { priority: 'critical' } })).toHaveLength(50);
  const { position } = live.subscription;
  await live.subscription.close();
  await web.raise(5);
  expect(await readAll({ servers: as('all'), from: position })).toEqual(ids('web', 21, 25));
});

it('refuses a subscriber what it may not read, and says what to ask for', async (context) => {
  const { server, as, makeStream } = await startConfined(context);
  await makeStream();
  const sentence = (subject: string): string =>
    `${server.url}: this user may not read ${subject}; where it may read the alerts of some hosts or priorities, ask for one of them (--host, --priority)`;
  const attempt = (servers: NatsAddress, host?: string): Promise<AlertSubscription> =>
    subscribeAlerts({ servers, ...(host !== undefined && { filters: { host } }) });
  await expect(attempt(as('onlyWeb'))).rejects.toThrow(sentence('shrike.alerts.*.*.*'));
  await expect(attempt(as('onlyWeb'), 'web-1')).rejects.toThrow(sentence('shrike.alerts.web_1.*.*'));
  await expect(attempt(as('web'), 'web')).rejects.toThrow(sentence('shrike.alerts.web.*.*'));
});

it('waits for the stream that only the administrator may make', async (context) => {
  inLargerSizes(context);
  const { server, as, makeStream } = await startConfined(context);
  const agent = await startAgent(as('web'), 'web');
  await agent.raise(3, false);
  await until(() => agent.publisher.state.lastError !== undefined);
  expect(agent.said[0]).toMatch(/there is no stream SHRIKE_ALERTS|is there the stream SHRIKE_ALERTS/);
  await expect(subscribeAlerts({ servers: as('all') })).rejects.toThrow(
    `${server.url}: there is no stream SHRIKE_ALERTS yet; let the administrator make it`,
  );
  await makeStream();
  await agent.raise(1);
  expect(await readAll({ servers: as('all') })).toEqual(ids('web', 1, 4));
});

it('publishes again what a server lacks that went back or whose stream was made anew, without a look at the stream', async (context) => {
  const { server, storeDir, as, asAdmin, makeStream, again } = await startConfined(context);
  await makeStream();
  const [folder, otherFolder] = [temporaryFolder(), temporaryFolder()];
  const agent = await startAgent(as('web'), 'web', folder);
  const other = await startAgent(as('web1'), 'web-1', otherFolder);
  await Promise.all([agent.raise(40), other.raise(10)]);
  await server.stop();
  cpSync(storeDir, `${storeDir}.copy`, { recursive: true });
  const second = await again();
  await Promise.all([agent.raise(30), other.raise(5)]);
  await second.stop();
  rmSync(storeDir, { recursive: true });
  cpSync(`${storeDir}.copy`, storeDir, { recursive: true });
  await again();
  await until(() => agent.publisher.state.rewinds === 1 && other.publisher.state.rewinds === 1);
  await Promise.all([agent.raise(5), other.raise(1)]);
  const web = { servers: as('onlyWeb'), filters: { host: 'web' } };
  const manager = await asAdmin();
  expect((await manager.streams.info('SHRIKE_ALERTS')).state.messages).toBe(75 + 16);
  expect(await readAll(web)).toEqual(ids('web', 1, 75));
  await agent.end();
  await manager.streams.delete('SHRIKE_ALERTS');
  await makeStream();
  const restarted = await startAgent(as('web'), 'web', folder);
  await restarted.raise(1);
  expect(await readAll(web)).toEqual(ids('web', 1, 76));
});
