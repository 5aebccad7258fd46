import type { SimAddress } from '../sim/index.ts';
import type { RecordedCall, RecordedEvent } from './recording.ts';

/** Both ends in a socket's decoration, own end first: `TCP:[10.0.0.1:80->10.0.0.2:5000]`, `TCPv6:[[::1]:80->[::1]:5000]`. */
const ENDS = /^(?:TCP|UDP)(?:v6)?:\[(.+):(\d+)->(.+):(\d+)\]$/;

const address = (text: string | undefined, port: string | undefined): SimAddress => ({
  address: (text ?? '').replace(/^\[(.*)\]$/, '$1'),
  port: Number(port),
});

/** The ends of a connected socket that -yy shows; undefined for what is none. */
export const endsOf = (
  decoration: string | undefined,
): { readonly own: SimAddress; readonly peer: SimAddress } | undefined => {
  const ends = ENDS.exec(decoration ?? '');
  return ends === null ? undefined : { own: address(ends[1], ends[2]), peer: address(ends[3], ends[4]) };
};

/** The own end of a connection, which -yy shows only after connect: in the next calls of the process on the same descriptor. */
export const ownEndOf = (connect: RecordedCall, following: readonly RecordedEvent[]): SimAddress | undefined => {
  const socket = connect.arguments[0]?.value;
  if (socket?.kind !== 'number') return undefined;
  for (const event of following) {
    if (event.kind !== 'call' || event.pid !== connect.pid) continue;
    for (const { value } of event.arguments) {
      if (value.kind !== 'number' || value.value !== socket.value) continue;
      const ends = endsOf(value.decoration);
      if (ends !== undefined) return ends.own;
    }
    if (event.name === 'close' && event.arguments[0]?.value.kind === 'number') {
      if (event.arguments[0].value.value === socket.value) return undefined;
    }
  }
  return undefined;
};
