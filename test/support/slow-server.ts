import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A port before another, whose answers come `delayMs` later; ends with the running test. */
export const slowServer = async (url: string, delayMs: number): Promise<string> => {
  const { port } = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const behind = connect(Number(port), '127.0.0.1');
    for (const [socket, other] of [
      [client, behind],
      [behind, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy()).on('close', () => other.destroy());
    }
    client.pipe(behind);
    behind.on('data', (chunk) => setTimeout(() => client.writable && client.write(chunk), delayMs));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
};
