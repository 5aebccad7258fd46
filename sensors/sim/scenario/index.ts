export type { ScenarioEvent, ScenarioObserver, StepOutcome } from './events.ts';
export { scenarioJsonSchema } from './json-schema.ts';
export {
  listScenarios,
  loadScenario,
  loadScenarios,
  loadTestScenario,
  SCENARIO_GROUPS,
  type ScenarioGroup,
  type ShippedScenario,
} from './load.ts';
export { parseScenario, type ScenarioResult } from './parse.ts';
export { createPlayer } from './player.ts';
export type { Scenario } from './scenario.ts';
export { createSurroundings } from './surroundings.ts';
