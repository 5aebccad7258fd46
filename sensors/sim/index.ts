export { createSimHost, POLICY_MEMORY } from './host.ts';
export {
  listScenarios,
  loadScenario,
  loadScenarios,
  loadTestScenario,
  parseScenario,
  SCENARIO_GROUPS,
  type Scenario,
  type ScenarioEvent,
  type ScenarioGroup,
  type ScenarioObserver,
  type ScenarioResult,
  type ShippedScenario,
  type StepOutcome,
  scenarioJsonSchema,
} from './scenario/index.ts';
export type * from './sim-host.ts';
export { createSimSensor, type SimSensor, simAccounts } from './sim-sensor.ts';
export { type PreparedCall, prepareCall, preparedAgain } from './syscalls/prepared.ts';
