import type { ScenarioEvent } from '../sensors/index.ts';
import type { Output } from './output.ts';
import { count } from './paint.ts';

type Step = Extract<ScenarioEvent, { type: 'step' }>['step'];

/** Of a step that is played several times, shows the first of all times that come to the same, and counts the others. */
export interface Rounds {
  /** What is printed here may be left out: it is kept until it is known what the round came to. */
  readonly output: Output;
  begin(step: Step): void;
  /** What a rule that denies or kills came to in this round. */
  outcome(outcome: string): void;
  end(): void;
}

export const createRounds = (whole: Output): Rounds => {
  let step: number | undefined;
  let lines: string[] = [];
  let outcomes: string[] = [];
  let shown: string | undefined;
  let left = 0;
  const tellLeft = (): void => {
    if (left > 0) whole.line(whole.paint.dim(`   … and ${count(left, 'more time')} the same`));
    left = 0;
  };
  const finish = (): void => {
    if (step === undefined) return;
    const came = outcomes.join();
    if (came === shown) left++;
    else {
      tellLeft();
      for (const line of lines) whole.line(line);
      shown = came;
    }
    [lines, outcomes] = [[], []];
  };
  const end = (): void => {
    finish();
    tellLeft();
    [step, shown] = [undefined, undefined];
  };
  return {
    output: {
      ...whole,
      line: (text = '') => {
        if (step === undefined) whole.line(text);
        else lines.push(text);
      },
    },
    begin: ({ number, round }) => {
      if (number === step) finish();
      else end();
      step = round === undefined ? undefined : number;
    },
    outcome: (outcome) => {
      if (outcome !== '') outcomes.push(outcome);
    },
    end,
  };
};
