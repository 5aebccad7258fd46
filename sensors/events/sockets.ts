import {
  beforeEffect,
  type EventRecord,
  endsOf,
  type FieldValue,
  type SocketEnd,
  type Trust,
} from '../../rules/index.ts';

/** At a hook before the effect the kernel's own copy is seen; later the descriptor may be another's. */
export const socketTrust = (record: EventRecord): Trust => (beforeEffect(record.hook) ? 'resolved' : 'contestable');

const endText = (end: SocketEnd): string =>
  end.family === 'ipv6' ? `[${end.address}]:${end.port}` : `${end.address}:${end.port}`;

/** `client:port->server:port`, or the one end that there is; where the event doesn't tell who is the server, `local->remote`. */
export const tupleText = (record: EventRecord): string | undefined => {
  const { event } = record;
  if (event === undefined) return undefined;
  const endAt = (which: 'client' | 'server'): SocketEnd | undefined => {
    const [end] = endsOf(event, which);
    return end === undefined ? undefined : record[end];
  };
  const known = endsOf(event, 'server').length > 0;
  const [client, server] = known ? [endAt('client'), endAt('server')] : [record.local, record.remote];
  if (client !== undefined && server !== undefined) return `${endText(client)}->${endText(server)}`;
  const only = server ?? client;
  return only && endText(only);
};

export type Which = 'server' | 'client' | 'local' | 'remote' | 'either';

/** Addresses or ports of the ends that a field is about; two-ended fields are lists. */
export const addressValue = (record: EventRecord, which: Which, part: 'address' | 'port'): FieldValue => {
  if (record.event === undefined) return { state: 'absent' };
  const ends = endsOf(record.event, which);
  if (ends.length === 0) return { state: 'absent' };
  const values: string[] = [];
  for (const end of ends) {
    const socket = record[end];
    if (socket === undefined) return record.typechar === 'u' ? { state: 'absent' } : { state: 'unknown' };
    values.push(part === 'port' ? String(socket.port) : socket.address);
  }
  const trust = socketTrust(record);
  if (which === 'either') return { state: 'present', value: values, trust };
  const [value = ''] = values;
  return { state: 'present', value: part === 'port' ? BigInt(value) : value, trust };
};
