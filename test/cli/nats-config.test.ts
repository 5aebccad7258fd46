import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { connect, nkeyAuthenticator } from 'nats';
import { expect, it, onTestFinished, vi } from 'vitest';
import { createPublisher, type NatsAddress, openAuditLog, subscribeAlerts } from '../../alerts/index.ts';
import { inboxPrefixOf, publicKeyOf } from '../../alerts/nats/nkey.ts';
import { createProgram } from '../../cli/program.ts';
import { anAlert } from '../support/alert.ts';
import { temporaryFolder } from '../support/folder.ts';
import { natsServer } from '../support/nats.ts';
import { until } from '../support/until.ts';

const FLUSH_MS = 30_000;

/** Runs the command; gives what it printed. */
const natsConfig = async (...args: readonly string[]): Promise<string> => {
  const program = await createProgram('nats-config');
  for (const command of program.commands) command.exitOverride().configureOutput({ outputError: () => undefined });
  const listening = process.stdout.listeners('error');
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    await program.parseAsync(['nats-config', ...args], { from: 'user' });
    return write.mock.calls.map(([text]) => String(text)).join('');
  } finally {
    write.mockRestore();
    for (const listener of process.stdout.listeners('error'))
      if (!listening.includes(listener)) process.stdout.off('error', listener as () => void);
  }
};

const contents = (folder: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(folder.length + 1), readFileSync(path, 'utf8')]),
  );

it('writes a configuration that a server takes, and that lets each do what it is for', async (context) => {
  const folder = join(temporaryFolder(), 'wire');
  await natsConfig(
    ...[folder, '--host', 'web-1', '--host', 'db-1', '--subscriber', 'soc', '--subscriber', 'db team=db-1'],
    ...['--listen', '127.0.0.1:0', '--store', temporaryFolder()],
  );
  const { url } = await natsServer(context, {
    jetstream: false,
    arguments: ['-c', join(folder, 'nats-server.conf')],
  });
  expect(await natsConfig(folder, '--make-stream', url)).toBe('the stream SHRIKE_ALERTS is there\n');
  const as = (key: string): NatsAddress => ({ url, nkeyFile: join(folder, 'keys', `${key}.nk`) });
  const startAgent = async (host: string, address: NatsAddress) => {
    const log = await openAuditLog({ folder: temporaryFolder(), host });
    const publisher = createPublisher({ servers: address, host, log });
    onTestFinished(async () => {
      await publisher.close();
      await log.close();
    });
    for (let index = 0; index < 5; index++) log.append('alert', (seq) => anAlert(seq, { host, id: `${host}-${seq}` }));
    await log.flush();
    return publisher;
  };
  const got: string[] = [];
  const reading = await subscribeAlerts({ servers: as('subscriber-soc') }, ({ id }) => got.push(id));
  onTestFinished(() => reading.close());
  expect(await (await startAgent('web-1', as('host-web_1'))).flush(FLUSH_MS)).toBe(true);
  await until(() => got.length === 5);
  expect(got).toEqual([1, 2, 3, 4, 5].map((seq) => `web-1-${seq}`));

  const thief = await startAgent('web-1', as('host-db_1'));
  await until(() => thief.state.lastError !== undefined);
  expect(thief.state).toMatchObject({ published: 0, stream: false });
  expect(thief.state.lastError).toBe(
    `${url}: this user may not publish on shrike.alerts.web_1._; are the credentials those of this host?`,
  );
  for (const key of ['host-db_1', 'subscriber-db_team'])
    await expect(subscribeAlerts({ servers: as(key), filters: { host: 'web-1' } })).rejects.toThrow(
      `${url}: this user may not read shrike.alerts.web_1.*.*; where it may read the alerts of some hosts or priorities, ask for one of them (--host, --priority)`,
    );
  const seed = readFileSync(as('host-db_1').nkeyFile ?? '', 'utf8').trim();
  const db = await connect({
    servers: url,
    authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)),
    inboxPrefix: inboxPrefixOf(publicKeyOf(seed) ?? ''),
  });
  onTestFinished(() => db.close());
  const ask = (subject: string, body: object = {}) => db.request(subject, JSON.stringify(body), { timeout: 5_000 });
  for (const subject of [
    '$JS.API.DIRECT.GET.SHRIKE_ALERTS.shrike.alerts.web_1.>',
    '$JS.API.STREAM.INFO.SHRIKE_ALERTS',
    'shrike.alerts.web_1.critical.forged',
  ])
    await expect(ask(subject)).rejects.toThrow('Permissions Violation');
  for (const copy of [{ mirror: { name: 'SHRIKE_ALERTS' } }, { sources: [{ name: 'SHRIKE_ALERTS' }] }])
    await expect(ask('$JS.API.STREAM.CREATE.loot', { name: 'loot', storage: 'memory', ...copy })).rejects.toThrow(
      'Permissions Violation',
    );
  expect(got).toHaveLength(5);
});

it('adds to a configuration and leaves the keys that are there alone', async () => {
  const folder = join(temporaryFolder(), 'wire');
  await natsConfig(folder, '--host', 'web-1', '--subscriber', 'soc');
  const before = contents(folder);
  const keys = ['admin', 'host-web_1', 'subscriber-soc'].map((name) => `keys/${name}.nk`);
  expect(Object.keys(before).toSorted()).toEqual(['accounts.conf', ...keys, 'nats-server.conf', 'roles.json']);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  for (const key of keys) expect(statSync(join(folder, key)).mode & 0o777).toBe(0o600);
  const url = 'nats://127.0.0.1:4222';
  const [webKey, pagerKey] = ['host-web_2', 'subscriber-pager'].map((name) => join(folder, 'keys', `${name}.nk`));
  expect(await natsConfig(folder, '--host', 'web-2', '--subscriber', 'pager=web-1,web-2/critical,alert')).toBe(
    [
      `wrote ${join(folder, 'accounts.conf')}`,
      `wrote ${webKey}, the key of the host web-2`,
      `wrote ${pagerKey}, the key of the subscriber pager`,
      '',
      'Next:',
      '  copy accounts.conf to the server, then start it, or let it read them again:',
      `    nats-server -c ${join(folder, 'nats-server.conf')}`,
      '    nats-server --signal reload      twice, a second apart: what is new has its rights from the second one on',
      `  on web-2: copy ${webKey} there (mode 0600), and`,
      `    shrike run --nats ${url} --nats-nkey ${webKey} --host web-2`,
      `  for pager: hand over ${pagerKey} (mode 0600), and`,
      `    shrike alerts --nats ${url} --nats-nkey ${pagerKey}`,
      '',
    ].join('\n'),
  );
  const after = contents(folder);
  for (const file of [...keys, 'nats-server.conf']) expect(after[file]).toBe(before[file]);
  for (const [file = '', text = ''] of Object.entries(after))
    if (file.startsWith('keys/')) expect(after['accounts.conf']).toContain(`nkey: ${publicKeyOf(text.trim())}\n`);
  expect(after['accounts.conf']).toContain('shrike.alerts.web_2.alert.*');

  await expect(natsConfig(folder, '--host', 'web-1')).rejects.toThrow(
    `the host "web-1" has a key already (${join(folder, 'keys/host-web_1.nk')}); leave it out, or give --force for a new key in its place`,
  );
  await expect(natsConfig(folder, '--host', 'Web.1')).rejects.toThrow(
    'the hosts "web-1" and "Web.1" have the same name in subjects, web_1: either could pass for the other; rename one',
  );
  await expect(natsConfig(folder, '--listen', '0.0.0.0:4222')).rejects.toThrow(
    `${join(folder, 'nats-server.conf')} is there already; change it by hand, or give --force to write it anew`,
  );
  await expect(natsConfig(folder, '--remove', 'web-3')).rejects.toThrow(
    `there is no host, subscriber or witness "web-3" in ${join(folder, 'roles.json')}`,
  );
  expect(contents(folder)).toEqual(after);
});

it('makes a new key in the place of one that was stolen, and takes one out of force for good', async () => {
  const folder = join(temporaryFolder(), 'wire');
  await natsConfig(folder, '--host', 'web-1', '--host', 'web-2', '--subscriber', 'soc');
  const before = contents(folder);
  const publicKey = (file: string, of = before): string => `nkey: ${publicKeyOf(of[file]?.trim() ?? '')}\n`;
  await natsConfig(folder, '--host', 'web-1', '--remove', 'soc', '--force');
  const after = contents(folder);
  expect(after['keys/host-web_1.nk']).not.toBe(before['keys/host-web_1.nk']);
  expect(after['accounts.conf']).toContain(publicKey('keys/host-web_1.nk', after));
  expect(after['accounts.conf']).toContain(publicKey('keys/host-web_2.nk'));
  for (const gone of ['keys/host-web_1.nk', 'keys/subscriber-soc.nk'])
    expect(after['accounts.conf']).not.toContain(publicKey(gone));
  expect(after['nats-server.conf']).toBe(before['nats-server.conf']);
});

it('counts from a reload of the server on: a host that was added, a key that was replaced', async (context) => {
  const folder = join(temporaryFolder(), 'wire');
  await natsConfig(folder, '--host', 'web-1', '--listen', '127.0.0.1:0', '--store', temporaryFolder());
  const server = await natsServer(context, {
    jetstream: false,
    arguments: ['-c', join(folder, 'nats-server.conf')],
  });
  const connectAs = async (key: string) => {
    const seed = readFileSync(join(folder, 'keys', `${key}.nk`), 'utf8').trim();
    const authenticator = nkeyAuthenticator(new TextEncoder().encode(seed));
    const connection = await connect({ servers: server.url, authenticator, reconnect: false });
    onTestFinished(() => connection.close());
    return connection;
  };
  await natsConfig(folder, '--make-stream', server.url);
  const old = await connectAs('host-web_1');
  const admin = await connectAs('admin');
  await natsConfig(folder, '--host', 'web-1', '--host', 'web-2', '--force');
  await expect(connectAs('host-web_2')).rejects.toThrow('Authorization Violation');
  process.kill(server.pid, 'SIGHUP');
  await old.closed();
  expect(admin.isClosed()).toBe(false);
  // nats-server 2.9.10 takes the key of a new account from the first reload on, and its imports only from the second.
  await until(() =>
    connectAs('host-web_2').then(
      () => true,
      () => false,
    ),
  );
  process.kill(server.pid, 'SIGHUP');
  for (const [key, host] of [
    ['host-web_1', 'web-1'],
    ['host-web_2', 'web-2'],
  ] as const) {
    const log = await openAuditLog({ folder: temporaryFolder(), host });
    const address = { url: server.url, nkeyFile: join(folder, 'keys', `${key}.nk`) };
    const publisher = createPublisher({ servers: address, host, log });
    onTestFinished(async () => {
      await publisher.close();
      await log.close();
    });
    log.append('alert', (seq) => anAlert(seq, { host, id: `${host}-${seq}` }));
    expect(await publisher.flush(FLUSH_MS)).toBe(true);
  }
});

it('writes the TLS of a server, and refuses half of it', async () => {
  const folder = join(temporaryFolder(), 'wire');
  await expect(natsConfig(folder, '--tls-cert', '/etc/nats/server.pem')).rejects.toThrow(
    '--tls-cert and --tls-key are only of use together: give both',
  );
  await natsConfig(
    ...[folder, '--listen', '0.0.0.0:4222', '--tls-cert', '/etc/nats/server.pem'],
    ...['--tls-key', '/etc/nats/server.key', '--tls-ca', '/etc/nats/ca.pem'],
  );
  const text = contents(folder)['nats-server.conf'];
  for (const line of ['cert_file: "/etc/nats/server.pem"', 'key_file: "/etc/nats/server.key"', 'verify: true'])
    expect(text).toContain(line);
});
