import type { Diagnostic } from '../rules/index.ts';
import { listScenarios, loadScenario, type Scenario } from '../sensors/index.ts';
import { createDiagnosticPrinter } from './diagnostics.ts';
import { CliError, EXIT } from './exit.ts';
import { cut } from './paint.ts';

const DESCRIPTION_WIDTH = 100;

const isUnknown = ({ code }: Diagnostic): boolean => code === 'unknown-scenario';

/** A scenario by its name or path; fails with what is wrong in it, or with those there are. */
export const scenarioOf = (nameOrPath: string): Scenario => {
  const { scenario, diagnostics } = loadScenario(nameOrPath);
  if (scenario !== undefined) return scenario;
  const unknown = diagnostics.find(isUnknown);
  if (unknown === undefined) {
    const printed = createDiagnosticPrinter(false);
    throw new CliError(`the scenario can't be played\n${diagnostics.map(printed).join('\n')}`, EXIT.usage);
  }
  const near = unknown.nearest === undefined ? '.' : `; did you mean ${unknown.nearest}?`;
  const scenarios = listScenarios();
  const width = Math.max(...scenarios.map(({ name }) => name.length));
  const list = scenarios.map(
    ({ name, description }) => `  ${name.padEnd(width)}  ${cut(description, DESCRIPTION_WIDTH)}`,
  );
  const sentence = `there is no scenario "${nameOrPath}"${near} There are:`;
  throw new CliError(
    [
      sentence,
      ...list,
      'those for Falco\'s rules ("shrike scenarios list falco"), or give the path of a scenario file.',
    ].join('\n'),
    EXIT.usage,
  );
};
