import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { asm } from '../../cli/bpf-asm.ts';
import { runProgram } from '../../cli/bpf-run.ts';
import { verifyPrograms } from '../../cli/bpf-verify.ts';
import { OPCODES, parseAssembly } from '../../engine/isa/index.ts';
import { MAP_TYPE_IDS } from '../../engine/object/index.ts';
import { HELPERS, KFUNCS } from '../../engine/vm/index.ts';
import { printed } from '../support/output.ts';

interface Generator {
  ebpfDocument(text: string, machine: object): string;
}

const script = new URL('../../scripts/make-ebpf-doc.mjs', import.meta.url);
const { ebpfDocument } = (await import(script.href)) as Generator;
const written = readFileSync(new URL('../../docs/ebpf.md', import.meta.url), 'utf8');

it('the tables of docs/ebpf.md are what npm run docs makes of the machine', () => {
  expect(written).toBe(ebpfDocument(written, { OPCODES, MAP_TYPE_IDS, HELPERS, KFUNCS }));
});

it('names each operation, map type, helper and kernel function', () => {
  const cells = new Set([...written.matchAll(/`(\w+)`/g)].map(([, name]) => name));
  const operations = OPCODES.map(({ operation, name }) => (operation === 'lddw' ? name : operation));
  const names = [...HELPERS, ...KFUNCS].map(({ name }) => name);
  for (const name of [...operations, ...Object.keys(MAP_TYPE_IDS), ...names]) expect(cells, name).toContain(name);
});

it('the notations of both columns read as the same instruction', () => {
  const rows = [...written.matchAll(/^\| ([\w -]+) \| (`.*`) \| (`.*`) \|$/gm)].map(([, what = '', ...columns]) => ({
    what,
    columns: columns.map((column) => [...column.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text)),
  }));
  expect(rows.map(({ what }) => what)).toEqual([
    'constant',
    '64-bit constant',
    'load and store',
    'jump',
    'atomic',
    'exchange',
    'helper',
    'map',
  ]);
  for (const { columns } of rows) {
    const [kernel = [], llvm = []] = columns.map((texts) => texts.map((text) => parseAssembly(text).instructions));
    expect(llvm[0]).toEqual(kernel[0]);
    if (llvm.length > 1) expect(llvm[1]).toEqual(kernel[1]);
  }
});

it('its program is accepted and does what it says', () => {
  const bytes = new TextEncoder().encode(/A program:\n\n```\n(.*?)```/s.exec(written)?.[1]);
  const program = { name: 'program.s', bytes };
  expect(printed((output) => verifyPrograms(program, { memory: 64 }, output))).toMatchObject({ code: 0 });
  const hex = {
    name: 'program.hex',
    bytes: new TextEncoder().encode(printed((output) => asm(program, {}, output)).text),
  };
  for (const engine of ['interpreter', 'jit'] as const) {
    const run = (memory: string) => printed((output) => runProgram(hex, memory, { engine }, output));
    expect(run('05010000')).toEqual({ code: 0, text: '20a\n' });
    expect(run('0501')).toEqual({ code: 0, text: '0\n' });
  }
});

it('its mistake is told as it says', () => {
  const message = /error\[assembly\]: (.*)/.exec(written)?.[1];
  const program = /A program:\n\n```\n(.*?)```/s.exec(written)?.[1]?.replace('goto out ', 'goto owt ') ?? '';
  expect(() => parseAssembly(program)).toThrow(message);
});
