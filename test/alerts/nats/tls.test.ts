import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished, type TestContext } from 'vitest';
import {
  createPublisher,
  type NatsAddress,
  type NatsServer,
  type NatsServerOptions,
  openAuditLog,
  subscribeAlerts,
} from '../../../alerts/index.ts';
import { createUserKey } from '../../../alerts/nats/nkey.ts';
import { anAlert } from '../../support/alert.ts';
import { authority, type CertificateFiles } from '../../support/certificates.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { natsServer } from '../../support/nats.ts';
import { credentialsIssuer } from '../../support/nats-credentials.ts';
import { until } from '../../support/until.ts';

const LOOPBACK = 'IP:127.0.0.1';

/** What is said of a server that doesn't let one in; a subscription that begins is closed. */
const failure = async (servers: NatsAddress): Promise<string> => {
  try {
    await (await subscribeAlerts({ servers }, () => undefined)).close();
    return 'nothing';
  } catch (error) {
    return (error as Error).message;
  }
};

const secret = (text: string): string => {
  const path = join(temporaryFolder(), 'secret');
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

const tlsOf = ({ cert, key }: CertificateFiles, clientCa?: string): string =>
  `tls: { cert_file: "${cert}", key_file: "${key}"${clientCa === undefined ? '' : `, ca_file: "${clientCa}", verify: true`}, timeout: 10 }\n`;

const withConfig = (context: TestContext, config: string, more: NatsServerOptions = {}): Promise<NatsServer> =>
  natsServer(context, { jetstream: false, ...more, arguments: ['-c', secret(config)] });

it('says that the server is of an authority that is not known, or not the given one', async (context) => {
  const [ca, other, namesake] = [authority(context), authority(context, 'another authority'), authority(context)];
  const { url } = await withConfig(context, tlsOf(ca.issue('server', LOOPBACK)));
  expect(await failure({ url, caFile: ca.cert })).toBe('nothing');
  expect(await failure({ url })).toBe(
    `${url}: the server wants TLS, and its certificate comes from no authority that is known here; give the authority's certificate with --nats-ca`,
  );
  for (const caFile of [other.cert, namesake.cert])
    expect(await failure({ url, caFile })).toBe(
      `${url}: the server's certificate comes from no authority in ${caFile}; get the certificate of the one that issued it, or is this another server?`,
    );
});

it("says that the server's certificate has expired", async (context) => {
  const ca = authority(context);
  const { url } = await withConfig(context, tlsOf(ca.issue('server', LOOPBACK, -1)));
  expect(await failure({ url, caFile: ca.cert })).toBe(
    `${url}: the server's certificate has expired; have it renewed, and look whether this host's clock is right`,
  );
});

it("says that the server's certificate is for another name, or another address", async (context) => {
  const ca = authority(context);
  const { url, port } = await withConfig(context, tlsOf(ca.issue('server', 'DNS:nats.example.com,IP:127.0.0.2')));
  const remedy = 'use such a name in the URL, or have a certificate made for this one';
  expect(await failure({ url, caFile: ca.cert })).toBe(
    `${url}: the server's certificate is not for 127.0.0.1 but for DNS:nats.example.com, IP:127.0.0.2; ${remedy}`,
  );
  expect(await failure({ url: `tls://localhost:${port}`, caFile: ca.cert })).toBe(
    `tls://localhost:${port}: the server's certificate is not for localhost but for DNS:nats.example.com, IP:127.0.0.2; ${remedy}`,
  );
});

it('says that the server offers no TLS', async (context) => {
  const ca = authority(context);
  const { url, port } = await natsServer(context, { jetstream: false });
  const sentence =
    'the server offers no TLS, and tls:// or a certificate asks for it; turn it on there, or use nats:// without certificates';
  expect(await failure({ url, caFile: ca.cert })).toBe(`${url}: ${sentence}`);
  expect(await failure({ url: `tls://127.0.0.1:${port}` })).toBe(`tls://127.0.0.1:${port}: ${sentence}`);
});

/** Where the connection is reset before this client has read why, only that can be said. */
it('says that the server wants a certificate, or another one', async (context) => {
  const [ca, other] = [authority(context), authority(context, 'another authority')];
  const { url } = await withConfig(context, tlsOf(ca.issue('server', LOOPBACK), ca.cert));
  const [good, bad] = [ca.issue('client', 'DNS:client'), other.issue('client', 'DNS:client')];
  const files = { url, caFile: ca.cert };
  expect(await failure({ ...files, certFile: good.cert, keyFile: good.key })).toBe('nothing');
  expect([
    `${url}: the server wants a certificate of this client; give one with --nats-cert and --nats-key`,
    `${url}: the server closed the connection under TLS; is it a NATS server, and does it want a certificate of this client (--nats-cert and --nats-key)?`,
  ]).toContain(await failure(files));
  expect([
    `${url}: the server refused the certificate ${bad.cert}; is it of an authority that the server knows, and not revoked?`,
    `${url}: the server closed the connection under TLS; is it a NATS server, and is the certificate ${bad.cert} of an authority that it knows?`,
  ]).toContain(await failure({ ...files, certFile: bad.cert, keyFile: bad.key }));
});

it('says that the server does not know the key', async (context) => {
  const [known, unknown] = [createUserKey(), createUserKey()];
  const { url } = await withConfig(context, `authorization: { users: [ { nkey: ${known.publicKey} } ] }\n`);
  expect(await failure({ url, nkeyFile: secret(known.seed) })).toBe('nothing');
  const nkeyFile = secret(unknown.seed);
  expect(await failure({ url, nkeyFile })).toBe(
    `${url}: the server refused the key in ${nkeyFile} (authorization violation); is its public key in the server's configuration, and was that reloaded?`,
  );
  expect(await failure({ url })).toBe(
    `${url}: the server refused the credentials (authorization violation); give them in the URL, nats://user:password@host:port, or with --nats-nkey or --nats-creds`,
  );
});

it('says that the server does not know the account of credentials', async (context) => {
  const [known, unknown] = [credentialsIssuer(), credentialsIssuer()];
  const { url } = await withConfig(context, known.config);
  expect(await failure({ url, credsFile: secret(known.issue('me')) })).toBe('nothing');
  const credsFile = secret(unknown.issue('me'));
  expect(await failure({ url, credsFile })).toBe(
    `${url}: the server refused the credentials in ${credsFile} (authorization violation); does it know their account, and were they revoked?`,
  );
});

it('publishes and reads over TLS with keys, and goes on once new files are there', async (context) => {
  const [before, after] = [authority(context), authority(context, 'the next authority')];
  const folder = temporaryFolder();
  const [caFile, certFile, keyFile] = [join(folder, 'ca.pem'), join(folder, 'me.pem'), join(folder, 'me.key')];
  const [agentFile, readerFile] = [join(folder, 'agent.nk'), join(folder, 'reader.nk')];
  const issue = (ca: typeof before) => {
    const [agent, reader, client] = [createUserKey(), createUserKey(), ca.issue('client', 'DNS:client')];
    const users = `authorization: { users: [ { nkey: ${agent.publicKey} }, { nkey: ${reader.publicKey} } ] }\n`;
    return {
      config: `${tlsOf(ca.issue('server', LOOPBACK), ca.cert)}${users}`,
      install: () => {
        copyFileSync(ca.cert, caFile);
        copyFileSync(client.cert, certFile);
        copyFileSync(client.key, keyFile);
        chmodSync(keyFile, 0o600);
        writeFileSync(agentFile, agent.seed, { mode: 0o600 });
        writeFileSync(readerFile, reader.seed, { mode: 0o600 });
      },
    };
  };
  const [old, next] = [issue(before), issue(after)];
  old.install();
  const jetstream = { jetstream: true, storeDir: join(temporaryFolder(), 'js') };
  const first = await withConfig(context, old.config, jetstream);
  const { url, port } = first;
  const files = { url, caFile, certFile, keyFile };

  const log = await openAuditLog({ folder: temporaryFolder(), host: 'web-1' });
  onTestFinished(() => log.close());
  const said: string[] = [];
  const report = (sentence: string) => said.push(sentence);
  const servers = { ...files, nkeyFile: agentFile };
  const publisher = createPublisher({ servers, host: 'web-1', log, report });
  onTestFinished(() => publisher.close());
  const raise = (count: number) => {
    for (let index = 0; index < count; index++) log.append('alert', (seq) => anAlert(seq));
  };
  raise(5);
  await until(() => publisher.state.published === 5, 60_000);
  const got: number[] = [];
  const subscription = await subscribeAlerts(
    { servers: { ...files, nkeyFile: readerFile }, from: 'all', report },
    ({ seq }) => got.push(seq),
  );
  onTestFinished(() => subscription.close());
  await until(() => got.length === 5, 60_000);

  await first.stop();
  await withConfig(context, next.config, { ...jetstream, port });
  raise(5);
  const refused = `${url}: the server's certificate comes from no authority in ${caFile}; get the certificate of the one that issued it, or is this another server?`;
  await until(() => [`${refused}; alerts wait in the audit log`, refused].every((one) => said.includes(one)), 60_000);
  expect(got).toHaveLength(5);
  next.install();
  await until(() => got.length === 10, 60_000);
  expect(got).toEqual(Array.from({ length: 10 }, (_, index) => got[0]! + index));
  expect(await publisher.flush(60_000)).toBe(true);
  expect(publisher.state).toMatchObject({ published: 10, refused: 0, stream: true });
});
