import { formatDiagnostic } from '../../../../policies/index.ts';
import {
  createSimSensor,
  parseScenario,
  type Scenario,
  type ScenarioEvent,
  type ScenarioResult,
  type SimHost,
  type StepOutcome,
} from '../../../../sensors/index.ts';

const nowhere = { file: 'test.yaml', line: 1, column: 1 };

/** Reads an inline scenario from data alone: every place is the file's first. */
export const readInline = (data: unknown): ScenarioResult =>
  parseScenario(data, { file: 'test.yaml', valueAt: () => nowhere, keyAt: () => nowhere });

/** @throws Error with all messages where the data is no scenario */
export const inline = (data: unknown): Scenario => {
  const { scenario, diagnostics } = readInline(data);
  if (scenario !== undefined) return scenario;
  throw new Error(diagnostics.map((found) => formatDiagnostic(found, { colour: false })).join('\n'));
};

export interface Played {
  readonly outcomes: readonly StepOutcome[];
  readonly problems: readonly string[];
  readonly events: readonly ScenarioEvent[];
  readonly host: SimHost;
}

/** Plays a scenario; `prepare` attaches programs before the first step. */
export const play = async (scenario: Scenario, prepare: (host: SimHost) => void = () => {}): Promise<Played> => {
  const events: ScenarioEvent[] = [];
  const sensor = createSimSensor({ scenario, observer: (event) => events.push(event) });
  prepare(sensor.host);
  const { problems } = await sensor.run(() => {}, new AbortController().signal);
  return { outcomes: sensor.outcomes, problems, events, host: sensor.host };
};
