import type { Outcome, Step } from './step.ts';

/**
 * The fewest calls of a sequence that still differ: calls are left out one by one, from the last to the first, as long as any can be.
 * @param keep how many of the first calls stay
 */
export const minimize = (
  steps: readonly Step[],
  keep: number,
  differs: (steps: readonly Step[]) => boolean,
): readonly Step[] => {
  let least = steps;
  for (let place = least.length - 2; place >= keep; place--) {
    const without = least.filter((_, index) => index !== place);
    if (differs(without)) least = without;
  }
  return least;
};

const argumentText = (argument: unknown): string => {
  if (argument instanceof Uint8Array) return `<${[...argument].join(' ')}>`;
  const text = JSON.stringify(argument);
  return text.length > 200 ? `${text.slice(0, 80)}... (${text.length} characters)` : text;
};

const outcomeText = (outcome: Outcome | undefined): string =>
  outcome === undefined
    ? 'nothing'
    : `${outcome.result}${outcome.data === undefined ? '' : ` ${JSON.stringify(outcome.data)}`}, living: ${outcome.living.join(' ')}`;

/** A sequence as it is told where the two kernels differ. */
export const reportOf = (steps: readonly Step[], onLinux: readonly Outcome[], simulated: readonly Outcome[]): string =>
  steps
    .map((step, index) => {
      const call = `${step.by}: ${step.call}(${step.args.map(argumentText).join(', ')})`;
      const [one, other] = [outcomeText(onLinux[index]), outcomeText(simulated[index])];
      return one === other
        ? `${call} = ${one}`
        : `${call}\n    on Linux:          ${one}\n    in the simulation: ${other}`;
    })
    .join('\n');
