import { connect as connectSocket } from 'node:net';
import { connect } from 'nats';
import { expect, it } from 'vitest';
import { findNatsServer, startNatsServer } from '../../../alerts/index.ts';
import { temporaryFolder } from '../../support/folder.ts';
import { natsServer } from '../../support/nats.ts';

const isListening = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connectSocket(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('close', () => socket.destroy()).end();
  });

it('starts with JetStream on a free loopback port, and is gone after stop', async (context) => {
  const server = await natsServer(context);
  const connection = await connect({ servers: server.url });
  const account = await (await connection.jetstreamManager()).getAccountInfo();
  await connection.close();
  expect(account.streams).toBe(0);
  expect(await isListening(server.port)).toBe(true);
  await server.stop();
  expect(await isListening(server.port)).toBe(false);
  expect(() => process.kill(server.pid, 0)).toThrow('ESRCH');
});

it('says why the server did not come up', async (context) => {
  const server = await natsServer(context);
  await expect(startNatsServer({ port: server.port })).rejects.toThrow(
    /^nats-server exited with code 1 before it was ready: .*address already in use/,
  );
});

it('says how to get a server that is not installed', async () => {
  const folder = temporaryFolder();
  expect(findNatsServer([folder])).toBeUndefined();
  await expect(startNatsServer({ folders: [folder] })).rejects.toThrow(
    new Error(`nats-server is not installed (looked in ${folder}); install it with "apt-get install nats-server"`),
  );
});
