import { describe, expect, it } from 'vitest';
import {
  ERRNO_NAMES,
  EVENT_TYPES,
  evaluatePredicate,
  type Placed,
  type Predicate,
  placePredicate,
  Truth,
} from '../../../rules/index.ts';
import { conditionOf } from '../../support/rules.ts';

const predicateOf = (text: string): Predicate => {
  const condition = conditionOf(text);
  if (condition.kind !== 'predicate') throw new Error(`${text} is not one predicate`);
  return condition;
};
const placed = (predicate: Predicate, type: string): Placed => {
  const event = EVENT_TYPES.get(type);
  if (event === undefined) throw new Error(`there is no ${type}`);
  return placePredicate(predicate, { hook: 'tp_btf/sys_exit', event });
};

/** What the kernel part says of a number; undefined where it leaves it to user space. */
const truthIn = (place: Placed, value: bigint): Truth | undefined => {
  if (place.kind === 'constant') return place.truth;
  if (place.kind !== 'kernel' || place.kernel.place !== 'number') return undefined;
  return place.kernel.test.ranges.some(([low, high]) => value >= low && value <= high) ? Truth.TRUE : Truth.FALSE;
};

/** evt.res as user space prints it. */
const resultText = (value: bigint): string =>
  value >= 0n ? 'SUCCESS' : (ERRNO_NAMES.get(Number(-value)) ?? `E${-value}`);

const RESULTS = [
  ...Array.from({ length: 600 }, (_, index) => BigInt(index - 590)),
  -4095n,
  -4096n,
  -(2n ** 63n),
  2n ** 63n - 1n,
];
const OPERATORS = ['contains', 'icontains', 'startswith', 'endswith', '=', '!='] as const;
const PARTS = ['E', 'e', 'EN', 'SUCC', 'S', 'ENOENT', 'T', 'x', 'xE', 'E1x', 'E41', 'E9', '4', '13', 'success'];

describe('evt.res in the kernel', () => {
  it.each(OPERATORS)('says of %s what its text says, or leaves it to user space', (operator) => {
    let decided = 0;
    for (const part of PARTS) {
      const predicate = predicateOf(`evt.res ${operator} ${part}`);
      const place = placed(predicate, 'open');
      if (place.kind === 'user') continue;
      decided++;
      for (const result of RESULTS) {
        const value = { state: 'present', value: resultText(result), trust: 'resolved' } as const;
        expect([part, result, truthIn(place, result)]).toEqual([part, result, evaluatePredicate(predicate, value)]);
      }
    }
    expect(decided).toBeGreaterThan(5);
  });

  it.each([
    ['evt.res contains 4', 'contains'],
    ['evt.res startswith E4', 'startswith'],
    ['evt.res endswith 1', 'endswith'],
    ['evt.res icontains e1', 'icontains'],
  ])('leaves %s, which some numbers without a name satisfy, to user space', (text, operator) => {
    expect(placed(predicateOf(text), 'open')).toEqual({
      kind: 'user',
      reason: `the operator ${operator} on a result's number`,
    });
  });
});

describe('an argument that is printed in decimal', () => {
  it('never holds a name', () => {
    expect(placed(predicateOf('evt.arg[flags] contains O_TRUNC'), 'unlinkat')).toEqual({
      kind: 'constant',
      truth: Truth.FALSE,
    });
  });

  it('may hold digits, which user space looks for', () => {
    expect(placed(predicateOf('evt.arg[flags] contains 2'), 'unlinkat')).toEqual({
      kind: 'user',
      reason: "the operator contains on a number's name",
    });
  });
});
