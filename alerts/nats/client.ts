import { createRequire } from 'node:module';

type Client = typeof import('nats');

let client: Client | undefined;

/** The NATS client, read where it is first asked for: most commands never do, and it is large. */
export const natsClient = (): Client => {
  client ??= createRequire(import.meta.url)('nats') as Client;
  return client;
};
