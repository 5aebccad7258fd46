import { onTestFinished, type TestContext } from 'vitest';
import { findNatsServer, type NatsServer, type NatsServerOptions, startNatsServer } from '../../alerts/index.ts';

/** Starts a real nats-server that ends with the running test; skips the test where nats-server isn't installed. */
export const natsServer = async (context: TestContext, options: NatsServerOptions = {}): Promise<NatsServer> => {
  context.skip(findNatsServer() === undefined, 'nats-server is not installed');
  const server = await startNatsServer(options);
  onTestFinished(() => server.stop());
  return server;
};
