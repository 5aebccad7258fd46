import { expect, it } from 'vitest';
import { expandList } from '../../../rules/index.ts';

const LISTS: Readonly<Record<string, readonly string[]>> = {
  shells: ['bash', 'sh'],
  more: ['shells', 'zsh', 'bash'],
  loop: ['x', 'loop'],
};

const expand = (items: readonly string[], self?: string) => {
  const names = {
    list: (name: string) => (Object.hasOwn(LISTS, name) ? LISTS[name] : undefined),
    knownLists: () => Object.keys(LISTS),
  };
  const { values, problems } = expandList(items, names, self);
  return { values, problems: problems.map(({ item, code, message }) => `${item} ${code}: ${message}`) };
};

it('expands lists inside lists, each value once, in order', () => {
  expect(expand(['dash', 'more', 'sh'])).toEqual({ values: ['dash', 'bash', 'sh', 'zsh'], problems: [] });
});

it('takes one pair of quotes off, and never takes a quoted item for a list', () => {
  const items = ['"(systemd)"', `'a "b"'`, '"sh -c \\"x\\""', '"shells"', '10.0.0.0/8', 'a "b"', '""', 'sh -c ls'];
  expect(expand(items)).toEqual({
    values: ['(systemd)', 'a "b"', 'sh -c "x"', 'shells', '10.0.0.0/8', '', 'sh -c ls'],
    problems: [],
  });
});

it('says which item is wrong', () => {
  expect(expand(['ok', '"open', String.raw`"\q"`]).problems).toEqual([
    '1 unclosed-quote: This text is never closed; add a " at its end.',
    String.raw`2 bad-escape: The escape \q does not exist here; expected \b, \f, \n, \r, \t, \\, \/, \", \' or \xHH.`,
  ]);
});

it('names the lists of a cycle', () => {
  expect(expand(['y', 'loop'])).toEqual({
    values: ['y', 'x'],
    problems: ['1 list-cycle: The list "loop" contains itself: loop > loop.'],
  });
  expect(expand(['shells', 'more'], 'shells').problems).toEqual([
    '0 list-cycle: The list "shells" contains itself: shells > shells.',
    '1 list-cycle: The list "shells" contains itself: shells > more > shells.',
  ]);
});
