export { parseStrace } from './parse.ts';
export type { OnProblem, RecordedCall, RecordedEvent, Recording, RecordingProblem } from './recording.ts';
export { createReplaySensor, type ReplayOptions } from './replay.ts';
