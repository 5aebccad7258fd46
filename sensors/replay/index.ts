export { parseStrace } from './parse.ts';
export type { OnProblem, RecordedCall } from './recording.ts';
export { createReplaySensor } from './replay.ts';
