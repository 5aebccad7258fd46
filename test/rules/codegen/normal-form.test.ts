import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assemble, exit, label, ldx, loadMapValue, mov, R0, R2, R7, st } from '../../../engine/isa/index.ts';
import { createMap } from '../../../engine/maps/index.ts';
import { defineStructs, type MapSpec, parseBtf, relocate } from '../../../engine/object/index.ts';
import { createInterpreter, Memory } from '../../../engine/vm/index.ts';
import { createEmitter, type Loops } from '../../../rules/codegen/emitter.ts';
import { FORM, STRING } from '../../../rules/codegen/layout.ts';
import { emitNormalForm, placeNormalForm } from '../../../rules/codegen/normal-form.ts';
import { createTables, TABLES_MAP } from '../../../rules/codegen/tables.ts';
import { count, seed } from '../../support/counts.ts';
import { testEnvironment } from '../../support/environment.ts';

const [SLOT, SLOT_BYTES] = [16, 512];
const [ROW, LOOP_CELL] = [0, 8];
const KEY = new Uint8Array(4);
const BTF = parseBtf(defineStructs({ empty: { member: 'int' } }));

/** Says whether the emitted code takes a path for one in its normal form, with what lies behind it in the slot. */
const createChecker = (loops: Loops) => {
  const out = createEmitter(loops);
  const tables = createTables();
  const form = placeNormalForm(tables);
  const array = (name: string, valueSize: number): MapSpec => ({
    name,
    type: 'array',
    keySize: 4,
    valueSize,
    maxEntries: 1,
  });
  const table = tables.value();
  out.emit(loadMapValue(R7, 'scratch', 0), ldx('h', R2, R7, SLOT + STRING.length));
  emitNormalForm(out, form, LOOP_CELL, SLOT, ROW, 'other');
  out.emit(mov(R0, 1), exit(), label('other'), st('w', R7, ROW, 0), mov(R0, 0), exit());
  const memory = new Memory(1 << 20);
  const specs = [array('scratch', SLOT + SLOT_BYTES), array(TABLES_MAP, table.length)];
  const maps = specs.map((spec, index) => createMap(memory, spec, index + 1));
  maps[1]?.update(KEY, table);
  const program = { name: 'normal', hook: 'raw_tp/sys_enter', ...assemble(out.items) };
  const instructions = relocate(program, (name) => specs.findIndex((spec) => spec.name === name) + 1, BTF);
  const interpreter = createInterpreter({ instructions }, testEnvironment({ memory }, maps));
  const context = memory.allocate(16);
  return (path: string, behind: string): readonly [isNormal: boolean, form: number] => {
    const value = new Uint8Array(SLOT + SLOT_BYTES);
    new DataView(value.buffer).setUint16(SLOT + STRING.length, path.length, true);
    value.set(new TextEncoder().encode(path + behind), SLOT + STRING.data);
    maps[0]?.update(KEY, value);
    const first = interpreter.run(memory.address(context));
    const kept = maps[0]?.lookup(KEY)?.[SLOT + STRING.form] ?? 0;
    expect(interpreter.run(memory.address(context)), 'asked again').toBe(first);
    return [first === 1n, kept];
  };
};

const isNormal = (path: string): boolean => !/\/\/|\/\.{1,2}(\/|$)|.\/$/.test(path);

const part = fc.constantFrom('/', '/', '.', '..', 'a', '.a', 'etc', '/a', '/./', '/..', 'éé', 'long-name-of-a-file');
const path = fc.array(part, { maxLength: 14 }).map((parts) => `/${parts.join('')}`.replaceAll('é', 'e').slice(0, 255));

describe.each<Loops>(['bounded', 'may_goto'])('the normal form of paths, with %s loops', (loops) => {
  it('is told as its definition has it, whatever lies behind a path', () => {
    const check = createChecker(loops);
    fc.assert(
      fc.property(path, fc.constantFrom('', '/', './/..', 'x/../y'), (given, behind) => {
        const wanted = isNormal(given);
        expect(check(given, behind), given).toEqual([wanted, wanted ? FORM.normal : FORM.other]);
      }),
      { numRuns: count(2000), seed: seed('normal form'), endOnFailure: true },
    );
  });

  it.each([
    '/',
    '/a',
    '/etc/.hidden/..data/x...',
    `/${'a'.repeat(254)}`,
    '//',
    '/a/',
    '/.',
    '/..',
    '/a/./b',
    '/1234567/',
    '/123456/.',
    '/12345/../x',
  ])('of %s', (given) => {
    expect(createChecker(loops)(given, '')[0]).toBe(isNormal(given));
  });
});
