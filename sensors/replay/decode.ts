import { EVENT_TYPES } from '../../rules/index.ts';
import { errnoOf, signalOf } from '../constants.ts';
import { type PassedCalls, type PreparedCall, prepareCall } from '../sim/index.ts';
import { argumentsOf, recordedOf } from './arguments.ts';
import { directoriesOf, filesOf, type PrepareFiles } from './files.ts';
import { type FirstProcess, firstProcessOf } from './first-process.ts';
import type { RecordedCall, RecordedEvent, Recording } from './recording.ts';
import { type Shift, shifterOf } from './shift.ts';

/** A recorded call as the simulated host takes it. */
export interface DecodedCall {
  readonly kind: 'call';
  readonly line: number;
  /** The line that its first part stands in. */
  readonly begin: number;
  readonly pid: number;
  /** Nanoseconds since the recording's first line. */
  readonly time: number | undefined;
  readonly name: string;
  /** Why it can't be played at all; or what it is played as. */
  readonly problem: string | undefined;
  readonly prepared: PreparedCall | undefined;
  /** The same where process ids are others; undefined where the call has none. */
  readonly shifted: ((shift: Shift) => PreparedCall) | undefined;
  readonly files: PrepareFiles | undefined;
  /** The descriptor that it gave, else -1. */
  readonly made: number;
  /** The process that it made, else 0. */
  readonly child: number;
  /** It never returned; `ends` where that is its way. */
  readonly returns: 'yes' | 'no' | 'ends';
}

export type DecodedEvent =
  | DecodedCall
  | {
      readonly kind: 'end';
      readonly line: number;
      readonly pid: number;
      readonly time: number | undefined;
      readonly how: { readonly status: number } | { readonly signal: number } | undefined;
      readonly problem: string | undefined;
    }
  | { readonly kind: 'passed'; readonly line: number; readonly pid: number; readonly time: number | undefined };

/** Of each event what playing it takes where it is a call like most: in arrays, as a look into as many objects is dear. */
export interface PlainCalls extends PassedCalls {
  /** Where the calls end of which only the time passes and that are one task's, from this one on; 0 where it is none. */
  readonly ends: Int32Array;
  readonly pids: Int32Array;
  /** What they are played as; undefined for events that take more than that. */
  readonly calls: readonly (PreparedCall | undefined)[];
  /** Whether files may have to be made before. */
  readonly needFiles: Uint8Array;
  /** The descriptors that they gave, else -1. */
  readonly made: Int32Array;
}

/** A recording whose calls are ready to be made. */
export interface DecodedRecording {
  readonly events: readonly DecodedEvent[];
  readonly plain: PlainCalls;
  /** Whom the recording begins with; undefined where it is empty. */
  readonly first: FirstProcess | undefined;
  /** The processes and threads that there are events of. */
  readonly pids: ReadonlySet<number>;
  /** The calls that made a process, by its id. */
  readonly forks: ReadonlyMap<number, readonly DecodedCall[]>;
  /** Wall time of the first line, nanoseconds since the Unix epoch. */
  readonly start: bigint | undefined;
}

const FORKS = new Set(['fork', 'vfork', 'clone', 'clone3']);
/** Events after a connect in which its own end may show. */
const LOOK_AHEAD = 1_000;
/** Calls that end their caller, so that no result is ever seen. */
const ENDS = new Set(['exit', 'exit_group']);

const timeOf = ({ time }: RecordedEvent): number | undefined => (time === undefined ? undefined : Number(time));

const returnsOf = ({ name, result }: RecordedCall): DecodedCall['returns'] => {
  if (result.value !== undefined || result.errno !== undefined) return 'yes';
  return ENDS.has(name) ? 'ends' : 'no';
};

/** Calls that were made ready, each once however often it was recorded, by all that they are. */
export type PreparedCalls = Map<string, PreparedCall>;

/** What tells a value from others in JSON that JSON has no words for. */
const inJson = (_key: string, value: unknown): unknown => {
  if (typeof value === 'bigint') return { bigint: String(value) };
  return value instanceof Uint8Array ? { bytes: Buffer.from(value).toString('base64') } : value;
};

/** The call itself, or why it can't be played. */
const preparedOf = (
  call: RecordedCall,
  following: readonly RecordedEvent[],
  pids: ReadonlySet<number>,
  known: PreparedCalls,
): Pick<DecodedCall, 'problem' | 'prepared' | 'shifted' | 'made'> => {
  const { name, abi } = call;
  const { errno } = call.result;
  const failed = { prepared: undefined, shifted: undefined, made: -1 };
  if (errno !== undefined && errnoOf(errno) === undefined)
    return { ...failed, problem: `expected the name of an errno, ENOENT; found ${errno}` };
  try {
    const recorded = ENDS.has(name) ? undefined : recordedOf(call, following);
    const args = argumentsOf(call);
    const key = JSON.stringify([name, abi, args, recorded], inJson);
    const prepared =
      known.get(key) ?? prepareCall(name, args, { abi, ...(recorded === undefined ? {} : { recorded }) });
    known.set(key, prepared);
    const result = recorded?.result ?? -1;
    return {
      problem: undefined,
      prepared,
      shifted: shifterOf(prepared, pids),
      made: result >= 0 && EVENT_TYPES.get(name)?.fd === 'result' ? result : -1,
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ...failed, problem: `${name} of process ${call.pid} was not played: ${reason}` };
  }
};

const endOf = (event: RecordedEvent & { readonly kind: 'exited' | 'killed' }): DecodedEvent => {
  const at = { kind: 'end', line: event.line, pid: event.pid, time: timeOf(event) } as const;
  if (event.kind === 'exited') return { ...at, how: { status: event.status }, problem: undefined };
  const signal = signalOf(event.signal);
  if (signal !== undefined) return { ...at, how: { signal }, problem: undefined };
  return { ...at, how: undefined, problem: `expected the name of a signal, SIGKILL; found ${event.signal}` };
};

/** A call that is the same each time that it is played, and that makes no process. */
const isPlain = (event: DecodedEvent): event is DecodedCall & { readonly prepared: PreparedCall } =>
  event.kind === 'call' &&
  event.prepared !== undefined &&
  event.shifted === undefined &&
  event.child === 0 &&
  event.returns === 'yes';

/** The place of a call of which only the time passes; -1 for other events. */
const passedPlace = (event: DecodedEvent): number => {
  if (!isPlain(event) || event.files !== undefined || event.made >= 0) return -1;
  const { quiet, look, place } = event.prepared;
  return quiet && look === undefined ? place : -1;
};

const endsOf = (places: Int32Array, pids: Int32Array): Int32Array => {
  const ends = new Int32Array(places.length);
  for (let at = places.length - 1; at >= 0; at--)
    if (places[at] !== -1) ends[at] = pids[at] === pids[at + 1] ? Math.max(at + 1, ends[at + 1] ?? 0) : at + 1;
  return ends;
};

const plainOf = (events: readonly DecodedEvent[]): PlainCalls => {
  const places = Int32Array.from(events, passedPlace);
  const pids = Int32Array.from(events, ({ pid }) => pid);
  return {
    places,
    ends: endsOf(places, pids),
    pids,
    times: Float64Array.from(events, ({ time }) => time ?? Number.NaN),
    calls: events.map((event) => (isPlain(event) ? event.prepared : undefined)),
    needFiles: Uint8Array.from(events, (event) => (event.kind === 'call' && event.files !== undefined ? 1 : 0)),
    made: Int32Array.from(events, (event) => (event.kind === 'call' ? event.made : -1)),
  };
};

/** Makes a recording's calls ready, once for any number of times that they are played. @param known what was made ready before, of this or another recording */
export const decodeRecording = (recording: Recording, known: PreparedCalls = new Map()): DecodedRecording => {
  const { events, start } = recording;
  const directories = directoriesOf(events);
  const pids = new Set(events.map((event) => event.pid));
  const forks = new Map<number, DecodedCall[]>();
  const decoded = events.map((event, index): DecodedEvent => {
    if (event.kind === 'exited' || event.kind === 'killed') return endOf(event);
    const { line, pid } = event;
    const time = timeOf(event);
    if (event.kind !== 'call') return { kind: 'passed', line, pid, time };
    const following = event.name === 'connect' ? events.slice(index + 1, index + 1 + LOOK_AHEAD) : [];
    const child = FORKS.has(event.name) ? Math.max(0, Number(event.result.value ?? 0n)) : 0;
    const { problem, prepared, shifted, made } = preparedOf(event, following, pids, known);
    const call: DecodedCall = {
      kind: 'call',
      line,
      begin: event.begin,
      pid,
      time,
      name: event.name,
      problem,
      prepared,
      shifted,
      files: filesOf(event, directories),
      made,
      child,
      returns: returnsOf(event),
    };
    if (child > 0) forks.set(child, [...(forks.get(child) ?? []), call]);
    return call;
  });
  return { events: decoded, plain: plainOf(decoded), first: firstProcessOf(recording), pids, forks, start };
};
