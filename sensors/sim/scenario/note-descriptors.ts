import { EVENT_TYPES } from '../../../rules/index.ts';
import type { CallResult, SimArgument } from '../sim-host.ts';
import type { Descriptors, Slot } from './descriptors.ts';

const SOCKETS: ReadonlySet<string> = new Set(['socket', 'accept', 'accept4']);
const FILES: ReadonlySet<string> = new Set(['open', 'openat', 'openat2', 'creat']);
/** Their result is a descriptor that the step named itself. */
const DUPLICATES: ReadonlySet<string> = new Set(['dup', 'dup2', 'dup3']);

/** The names by which later steps mean what a call opened. */
const namesOf = (call: string, args: readonly SimArgument[]): readonly string[] => {
  const given = args.find((argument): argument is string => typeof argument === 'string');
  const own = given === undefined ? [] : [given];
  if (call === 'memfd_create') return ['last', 'file', 'memfd', ...own];
  if (FILES.has(call)) return ['last', 'file', ...own];
  if (SOCKETS.has(call)) return ['last', 'socket'];
  return EVENT_TYPES.get(call)?.fd === 'result' && !DUPLICATES.has(call) ? ['last'] : [];
};

const portOf = (address: SimArgument | undefined): number | undefined =>
  typeof address === 'object' && address !== null && 'port' in address ? address.port : undefined;

/** Takes note of what a call opened, bound or listens on, or failed to. */
export const noteDescriptors = (
  descriptors: Descriptors,
  call: string,
  args: readonly SimArgument[],
  { result, fds, deniedBy }: CallResult,
  step: number,
): void => {
  const slot: Slot =
    result >= 0 ? { kind: 'open', fd: result } : { kind: 'refused', step, denied: deniedBy !== undefined };
  descriptors.set(namesOf(call, args), slot);
  if (fds !== undefined) {
    descriptors.set(['pipe.read'], { kind: 'open', fd: fds[0] });
    descriptors.set(['pipe.write'], { kind: 'open', fd: fds[1] });
  }
  const [fd] = args;
  if (call === 'connect' && deniedBy !== undefined) descriptors.set(['socket', 'last'], slot);
  if (result < 0 || typeof fd !== 'number') return;
  const port = portOf(args[1]);
  if (call === 'bind' && port !== undefined) descriptors.bind(fd, port);
  if (call === 'listen') descriptors.set(['listener'], { kind: 'open', fd });
};
