import { existsSync } from 'node:fs';
import { packageFolder } from '../policies/index.ts';
import { createReplaySensor, type Sensor } from '../sensors/index.ts';
import { underPolicies } from './agent.ts';
import { type Case, type Measurement, measure } from './harness.ts';

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

/** How fast the recorded attack is played, under all shipped policies and without any; nothing where the recording isn't there. */
export const replay = async (samples: number): Promise<readonly Measurement[]> => {
  const path = packageFolder('test', 'recordings', 'attack.strace');
  if (!existsSync(path)) {
    process.stderr.write(
      'bench: replay is left out, as test/recordings/attack.strace is only in a clone of the repository\n',
    );
    return [];
  }
  const plain = caseOf('attack.strace, no policies', path, (sensor) =>
    sensor.run(() => {}, new AbortController().signal),
  );
  const watched = { ...caseOf('attack.strace', path, underPolicies), baseline: plain.name };
  return measure('replay', [plain, watched], Math.min(samples, 5));
};
