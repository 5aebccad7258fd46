import type { MsgHdrs } from 'nats';
import { natsClient } from './client.ts';
import type { OutgoingAlert } from './outbox.ts';
import { BEHIND_HEADER, MESSAGE_ID_HEADER, PREVIOUS_HEADER } from './stream.ts';

const FRAME_BYTES = 'NATS/1.0\r\n\r\n'.length;
const LINE_BYTES = ': \r\n'.length;

/** The headers of an alert, and the bytes of the whole message. */
export interface AlertMessage {
  readonly headers: MsgHdrs;
  readonly bytes: number;
}

/**
 * @param previous sequence number of the host's alert before; undefined where it isn't known
 * @param behind id of the message that it is stored directly behind, or not at all; undefined: behind any
 */
export const messageOf = (
  { messageId, payload }: OutgoingAlert,
  previous: number | undefined,
  behind?: string,
): AlertMessage => {
  const headers = natsClient().headers();
  let bytes = FRAME_BYTES + Buffer.byteLength(payload);
  const add = (name: string, value: string): void => {
    headers.append(name, value);
    bytes += name.length + value.length + LINE_BYTES;
  };
  add(MESSAGE_ID_HEADER, messageId);
  if (previous !== undefined) add(PREVIOUS_HEADER, String(previous));
  if (behind !== undefined) add(BEHIND_HEADER, behind);
  return { headers, bytes };
};
