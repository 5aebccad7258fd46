export type { ScenarioEvent, ScenarioObserver, SeenProcess, StepOutcome } from './events.ts';
export { listScenarios, loadScenario, loadTestScenario, parseScenarioText, type ShippedScenario } from './load.ts';
export { parseScenario, type ScenarioResult } from './parse.ts';
export { createPlayer, type Player } from './player.ts';
export type { Scenario, Step } from './scenario.ts';
