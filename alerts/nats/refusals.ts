import type { NatsConnection } from 'nats';
import { natsClient } from './client.ts';

/** Tells of what the server refuses without an answer: publishing where this user may not. */
export const watchRefusals = async (nats: NatsConnection, fail: (sentence: string) => void): Promise<void> => {
  const { ErrorCode, Events } = natsClient();
  for await (const { type, data, permissionContext } of nats.status()) {
    if (type !== Events.Error || data !== ErrorCode.PermissionsViolation || permissionContext === undefined) continue;
    const { operation, subject } = permissionContext;
    if (operation === 'publish' && subject.startsWith('$JS.')) continue;
    fail(
      operation === 'publish'
        ? `this user may not publish on ${subject}; are the credentials those of this host?`
        : `this user may not receive acknowledgements on ${subject}; permit an inbox and name it`,
    );
  }
};
