import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { subscribeAlerts } from '../../../alerts/index.ts';
import { parseServers } from '../../../alerts/nats/connection.ts';
import { natsServer } from '../../support/nats.ts';

const failure = (servers: string) =>
  subscribeAlerts({ servers }, () => undefined).catch((error: Error) => error.message);

it('reads URLs with and without port and credentials, and shows no credentials', () => {
  expect(parseServers('nats://a:1234, b')).toMatchObject({
    text: 'nats://a:1234, nats://b:4222',
    options: { servers: ['a:1234', 'b:4222'] },
  });
  expect(parseServers('nats://me:p%40ss@[::1]:4223')).toMatchObject({
    text: 'nats://[::1]:4223',
    options: { servers: ['[::1]:4223'], user: 'me', pass: 'p@ss' },
  });
  const secure = parseServers('tls://secret@a');
  expect(secure).toMatchObject({ text: 'tls://a:4222', options: { servers: ['a:4222'], token: 'secret' } });
  expect([parseServers('a').identity().tls, secure.identity().tls]).toEqual([undefined, expect.anything()]);
});

it.each(['http://a', 'nats://', 'nats://a:99999', 'nats://a/b', ''])('refuses %j', (url) => {
  expect(() => parseServers(url)).toThrow(
    new Error(
      `"${url}" is not the URL of a NATS server; expected nats://[user:password@]host[:port] or tls://host[:port]`,
    ),
  );
});

it('does not show a password in a wrong URL', () => {
  expect(() => parseServers('http://me:secret@a')).toThrow('"http://a" is not the URL');
});

it('says that nobody listens', async (context) => {
  const server = await natsServer(context);
  await server.stop();
  expect(await failure(server.url)).toBe(
    `${server.url}: connection refused; is nats-server running? Start one with "nats-server -js", or leave out --nats`,
  );
});

it('says that credentials are wrong', async (context) => {
  const server = await natsServer(context, { arguments: ['--user', 'me', '--pass', 'right'] });
  expect(await failure(server.url.replace('//', '//me:wrong@'))).toBe(
    `${server.url}: the server refused the credentials (authorization violation); give them in the URL: nats://user:password@host:port`,
  );
  const subscription = await subscribeAlerts({ servers: server.url.replace('//', '//me:right@') }, () => undefined);
  await subscription.close();
  expect(await subscription.ended).toBeUndefined();
});

it('says that something else listens there', async () => {
  const other = createServer((socket) => socket.end('220 mail\r\n'));
  const port = await new Promise<number>((resolve) => {
    other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port));
  });
  const message = await failure(`nats://127.0.0.1:${port}`);
  other.close();
  expect(message).toBe(`nats://127.0.0.1:${port}: what answers there is not a NATS server; is the port right?`);
});
