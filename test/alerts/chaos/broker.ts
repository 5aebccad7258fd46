import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'nats';
import { onTestFinished, type TestContext } from 'vitest';
import { findNatsServer, type NatsServer, startNatsServer } from '../../../alerts/index.ts';
import { temporaryFolder } from '../../support/folder.ts';

/** A nats-server that is killed and started again on its port and its store. */
export interface Broker {
  readonly url: string;
  /** SIGKILL; what `meanwhile` does happens before it starts again. */
  kill(meanwhile?: () => void): Promise<void>;
  pause(ms: number): Promise<void>;
  /** Keeps a copy of the store as it is; to be called while the server is down. */
  copyStore(): void;
  /** Puts the copy in the store's place; to be called while the server is down. */
  putBack(): void;
  /** How many messages the stream has taken; 0 where there is no stream yet. */
  taken(): Promise<number>;
}

export const startBroker = async (
  context: TestContext,
  args: readonly string[] = [],
  port?: number,
): Promise<Broker> => {
  context.skip(findNatsServer() === undefined, 'nats-server is not installed');
  const folder = temporaryFolder();
  const [storeDir, copy] = [join(folder, 'store'), join(folder, 'copy')];
  const start = (on?: number): Promise<NatsServer> =>
    startNatsServer({ storeDir, arguments: args, ...(on !== undefined && { port: on }) });
  let server = await start(port);
  onTestFinished(() => server.stop());
  const fixed = server.port;
  const again = async (): Promise<NatsServer> => {
    for (let tries = 1; ; tries++) {
      try {
        return await start(fixed);
      } catch (error) {
        if (tries === 10) throw error;
        await delay(500);
      }
    }
  };
  return {
    url: server.url,
    async kill(meanwhile) {
      process.kill(server.pid, 'SIGKILL');
      await server.stop();
      meanwhile?.();
      server = await again();
    },
    async pause(ms) {
      process.kill(server.pid, 'SIGSTOP');
      await delay(ms);
      process.kill(server.pid, 'SIGCONT');
    },
    copyStore() {
      rmSync(copy, { recursive: true, force: true });
      cpSync(storeDir, copy, { recursive: true });
    },
    putBack() {
      rmSync(storeDir, { recursive: true, force: true });
      cpSync(copy, storeDir, { recursive: true });
    },
    async taken() {
      const connection = await connect({ servers: server.url, timeout: 30_000 });
      try {
        const manager = await connection.jetstreamManager({ timeout: 30_000 });
        return (await manager.streams.info('SHRIKE_ALERTS')).state.last_seq;
      } catch {
        return 0;
      } finally {
        await connection.close();
      }
    },
  };
};
