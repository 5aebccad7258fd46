import { expect, it } from 'vitest';
import { type Abi, callNumbers, callPlace, compile, EVENT_TYPES } from '../../../rules/index.ts';
import { ruleOf } from '../../support/rules.ts';

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset);

/** The places at which an object's table says that its programs look, for a rule on one event type. */
const placesOf = (type: string): ReadonlySet<number> => {
  const { object } = compile([ruleOf('named', `evt.type = ${type}`)], { level: '6.12' });
  const [table] = object.programs.map((program) => program.calls);
  const contents = object.maps.find((map) => map.name === table)?.contents ?? [];
  return new Set(
    contents.filter(([, value]) => view(value).getUint32(0, true) !== 0).map(([key]) => view(key).getUint32(0, true)),
  );
};

it('is where the table has a call, under each ABI', () => {
  for (const type of ['openat', 'connect', 'execve', 'renameat2', 'memfd_create', 'ptrace']) {
    const places = placesOf(type);
    const event = EVENT_TYPES.get(type);
    if (event === undefined) throw new Error(`there is no ${type}`);
    for (const abi of ['x86-64', 'ia32', 'x32'] as const satisfies readonly Abi[])
      for (const nr of callNumbers(event, abi).filter((number) => number < 512 || abi === 'x32'))
        expect([type, abi, nr, places.has(callPlace(nr, abi))]).toEqual([type, abi, nr, true]);
  }
});

it('tells the tables apart: a number of one is not a call of the other', () => {
  const places = placesOf('openat');
  const named = (abi: Abi, most: number): number[] =>
    Array.from({ length: most }, (_, nr) => nr).filter((nr) => places.has(callPlace(nr, abi)));
  expect(named('x86-64', 1024)).toEqual([257]);
  expect(named('ia32', 1024)).toEqual([295]);
});

it('is none for what is no number of a table', () => {
  expect([
    callPlace(-1, 'x86-64'),
    callPlace(512, 'x86-64'),
    callPlace(512, 'ia32'),
    callPlace(0x4000_0000, 'x86-64'),
  ]).toEqual([-1, -1, -1, -1]);
});
