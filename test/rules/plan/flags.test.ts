import { describe, expect, it } from 'vitest';
import { CAPABILITIES, capabilitiesText, type Predicate, parseCapabilities } from '../../../rules/index.ts';
import { capabilityTest, modeTest, openFlagsTest } from '../../../rules/plan/flags.ts';
import { conditionOf } from '../../support/rules.ts';

const predicateOf = (text: string): Predicate => {
  const condition = conditionOf(text);
  if (condition.kind !== 'predicate') throw new Error(`"${text}" is no predicate`);
  return condition;
};

/** Whether a test of bits holds for a number. */
const holds = (found: ReturnType<typeof capabilityTest>, value: bigint): boolean | undefined => {
  if (found === undefined) return undefined;
  const masked = value & found.mask.reduce((all, bit) => all | (1n << BigInt(bit)), 0n);
  return found.test.ranges.some(([low, high]) => masked >= low && masked <= high);
};

describe('sets of capabilities', () => {
  it('are written in the order of their numbers, and read in no other', () => {
    expect(CAPABILITIES).toHaveLength(41);
    expect(capabilitiesText(0n)).toBe('');
    expect(capabilitiesText((1n << 21n) | 1n)).toBe('CAP_CHOWN CAP_SYS_ADMIN');
    expect(capabilitiesText((1n << 40n) | (1n << 62n))).toBe('CAP_CHECKPOINT_RESTORE');
    expect(parseCapabilities('CAP_CHOWN CAP_SYS_ADMIN')).toBe((1n << 21n) | 1n);
    for (const text of ['CAP_SYS_ADMIN CAP_CHOWN', 'CAP_NONE', 'CAP_CHOWN ', 'CAP_CHOWN CAP_CHOWN'])
      expect(parseCapabilities(text), text).toBeUndefined();
  });

  it.each([
    ['thread.cap_effective contains CAP_SYS_ADMIN', 1n << 21n, (1n << 19n) | 1n],
    ['thread.cap_effective contains SYS_', 1n << 16n, 1n << 34n],
    ['thread.cap_effective icontains sys', 1n << 34n, 1n << 5n],
    ['thread.cap_effective = CAP_KILL', 1n << 5n, (1n << 5n) | 1n],
    ['thread.cap_effective != CAP_KILL', 0n, 1n << 5n],
  ])('%s', (text, yes, no) => {
    expect(holds(capabilityTest(predicateOf(text)), yes)).toBe(true);
    expect(holds(capabilityTest(predicateOf(text)), no)).toBe(false);
  });

  it.each(['thread.cap_effective contains "CAP_KILL CAP_SETGID"', 'thread.cap_effective startswith CAP_CHOWN'])(
    'leave to user space what is of the whole text: %s',
    (text) => expect(capabilityTest(predicateOf(text))).toBeUndefined(),
  );
});

describe('flags of opens', () => {
  it.each([
    ['evt.arg.flags contains O_CREAT', 0x40n, 0x3fn],
    ['evt.arg.flags contains O_D', 0x4000n, 0x8000n],
    ['evt.arg.flags contains O_RDWR', 2n, 3n],
    ['evt.arg.flags contains RDONLY', 0x40n, 1n],
    ['evt.arg.flags icontains o_wronly', 0x41n, 0x42n],
  ])('%s', (text, yes, no) => {
    expect(holds(openFlagsTest(predicateOf(text)), yes)).toBe(true);
    expect(holds(openFlagsTest(predicateOf(text)), no)).toBe(false);
  });

  it('leave to user space what is in a mode and in a flag', () => {
    expect(openFlagsTest(predicateOf('evt.arg.flags contains O_'))).toBeUndefined();
    expect(openFlagsTest(predicateOf('evt.arg.flags contains "O_RDWR|O_CREAT"'))).toBeUndefined();
  });
});

describe('permission bits', () => {
  it('are tested by name; 0 is a text of its own', () => {
    expect(holds(modeTest(predicateOf('evt.arg.mode contains S_ISUID')), 0o4755n)).toBe(true);
    expect(holds(modeTest(predicateOf('evt.arg.mode contains S_ISUID')), 0o2755n)).toBe(false);
    expect(holds(modeTest(predicateOf('evt.arg.mode contains S_IX')), 0o010n)).toBe(true);
    expect(modeTest(predicateOf('evt.arg.mode contains 0'))).toBeUndefined();
  });
});
