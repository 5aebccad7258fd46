import { existsSync } from 'node:fs';
import { packageFolder } from '../policies/index.ts';
import { createReplaySensor, type Sensor } from '../sensors/index.ts';
import { underPolicies } from './agent.ts';
import { type Case, type Measurement, measure } from './harness.ts';
import { longReplay } from './long-replay.ts';

/** The sensor with a clock around its run; `rate` is then in calls a second. */
const timed = (sensor: Sensor): { readonly sensor: Sensor; rate(): number } => {
  let rate = Number.NaN;
  const run: Sensor['run'] = async (pump, signal) => {
    const start = process.hrtime.bigint();
    const report = await sensor.run(pump, signal);
    rate = report.calls / (Number(process.hrtime.bigint() - start) / 1e9);
    return report;
  };
  return { sensor: { ...sensor, run }, rate: () => rate };
};

const caseOf = (name: string, path: string, play: (sensor: Sensor) => Promise<unknown>): Case => ({
  name,
  unit: 'calls/s',
  sample: async () => {
    const { sensor, rate } = timed(createReplaySensor({ path, onProblem: 'skip' }));
    await play(sensor);
    return rate();
  },
});

/**
 * How fast recordings are played: the attack under all shipped policies and without any, and both again and again under Falco's rules; nothing
 * where the recordings aren't there.
 */
export const replay = async (samples: number): Promise<readonly Measurement[]> => {
  const recordings = ['attack', 'benign'].map((name) => packageFolder('test', 'recordings', `${name}.strace`));
  const [attack = ''] = recordings;
  if (!recordings.every((path) => existsSync(path))) {
    process.stderr.write('bench: replay is left out, as test/recordings is only in a clone of the repository\n');
    return [];
  }
  const plain = caseOf('attack.strace, no policies', attack, (sensor) =>
    sensor.run(() => {}, new AbortController().signal),
  );
  const watched = { ...caseOf('attack.strace', attack, underPolicies), baseline: plain.name };
  const once = await measure('replay', [plain, watched], Math.min(samples, 5));
  return [...once, ...(await longReplay(recordings, Math.min(samples, 3)))];
};
