import { ENOSYS } from '../../../engine/maps/index.ts';
import { EVENT_TYPES, type EventType } from '../../../rules/index.ts';
import { attributeCalls } from './attributes.ts';
import { bpfCalls } from './bpf.ts';
import type { CallHandler } from './call.ts';
import { capabilityCalls } from './capabilities.ts';
import { credentialCalls } from './credentials.ts';
import { descriptorCalls } from './descriptors.ts';
import { directoryCalls } from './directories.ts';
import { effectlessCalls } from './effectless.ts';
import { ioUringCalls } from './io-uring.ts';
import { moduleCalls } from './modules.ts';
import { mountCalls } from './mount.ts';
import { nameCalls } from './names.ts';
import { namespaceCalls } from './namespaces.ts';
import { openCalls } from './open.ts';
import { prctlCalls } from './prctl.ts';
import { privilegedCalls } from './privileged.ts';
import { processCalls } from './process.ts';
import { readWriteCalls } from './read-write.ts';
import { signalCalls } from './signals.ts';
import { socketCalls } from './socket.ts';
import { waitCalls } from './wait.ts';

/** Every call the simulation makes happen. Other names of the system call table return -ENOSYS. */
const HANDLERS: ReadonlyMap<string, CallHandler> = new Map(
  Object.entries({
    ...effectlessCalls,
    ...privilegedCalls,
    ...attributeCalls,
    ...capabilityCalls,
    ...credentialCalls,
    ...descriptorCalls,
    ...directoryCalls,
    ...ioUringCalls,
    ...moduleCalls,
    ...bpfCalls,
    ...mountCalls,
    ...nameCalls,
    ...namespaceCalls,
    ...openCalls,
    ...prctlCalls,
    ...processCalls,
    ...readWriteCalls,
    ...signalCalls,
    ...socketCalls,
    ...waitCalls,
  }),
);

/** Of calls that the simulation doesn't make happen. */
export const notImplemented: CallHandler = () => -ENOSYS;

/** A system call of the table. */
export interface CallEntry {
  readonly event: EventType;
  readonly handler: CallHandler;
}

const ENTRIES: ReadonlyMap<string, CallEntry> = new Map(
  [...EVENT_TYPES.values()]
    .filter((event) => event.nr >= 0)
    .map((event) => [event.type, { event, handler: HANDLERS.get(event.type) ?? notImplemented }]),
);

/** A system call by its kernel name; undefined for what is none. */
export const callNamed = (name: string): CallEntry | undefined => ENTRIES.get(name);
