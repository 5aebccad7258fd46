import { cpSync, existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
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
  /** Puts the copy in the store's place, where there is one; to be called while the server is down. */
  putBack(): boolean;
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
      if (!existsSync(copy)) return false;
      rmSync(storeDir, { recursive: true, force: true });
      renameSync(copy, storeDir);
      return true;
    },
  };
};
