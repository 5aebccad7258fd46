export { parseStrace } from './parse.ts';
export type { OnProblem, RecordedCall } from './recording.ts';
export { createRepeatedReplay, createReplaySensor, type RepeatedReplay, readCalls } from './replay.ts';
