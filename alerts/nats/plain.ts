import type { NatsConnection } from 'nats';
import { natsClient } from './client.ts';
import { messageOf } from './message.ts';
import type { OutgoingAlert } from './outbox.ts';

/** Sends alerts to whoever listens and waits until the server has them; without JetStream nobody says more than that. */
export const sendPlainly = async (
  nats: NatsConnection,
  alerts: readonly OutgoingAlert[],
  previous: number | undefined,
): Promise<readonly OutgoingAlert[]> => {
  const limit = nats.info?.max_payload ?? Number.POSITIVE_INFINITY;
  const refused: OutgoingAlert[] = [];
  let before = previous;
  for (const alert of alerts) {
    const { headers, bytes } = messageOf(alert, before);
    before = alert.seq;
    if (bytes > limit) refused.push(alert);
    else nats.publish(alert.subject, alert.payload, { headers });
  }
  await flushed(nats);
  return refused;
};

/** Waits for the server's PONG; the client itself would wait for ever on a connection that is lost. */
const flushed = async (nats: NatsConnection): Promise<void> => {
  const { ErrorCode, NatsError } = natsClient();
  const lost = nats.closed().then(() => Promise.reject(NatsError.errorForCode(ErrorCode.ConnectionClosed)));
  await Promise.race([nats.flush(), lost]);
};
