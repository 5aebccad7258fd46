import { NATIVE_OUTPUT } from '../formats/output.ts';
import { isError } from './api.ts';
import { connectTo, describeNatsError, parseServers } from './connection.ts';
import type { NatsAddress } from './identity.ts';
import { ensureStream } from './stream.ts';

/** Makes the stream of alerts where there is none, as a user who may. Gives its name; fails with a sentence. */
export const makeAlertStream = async (address: NatsAddress): Promise<string> => {
  const servers = parseServers(address);
  const nats = await connectTo(servers, { name: 'shrike nats-config', reconnect: false });
  try {
    const stream = await ensureStream(nats, NATIVE_OUTPUT.stream('')).catch((error) => {
      throw new Error(describeNatsError(error, servers.text), { cause: error });
    });
    if (isError(stream)) throw new Error(`${servers.text}: JetStream does not make the stream (${stream.text})`);
    return stream.name;
  } finally {
    await nats.close();
  }
};
