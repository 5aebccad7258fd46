import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { OPCODES, parseAssembly } from '../../engine/isa/index.ts';
import { MAP_TYPE_IDS } from '../../engine/object/index.ts';
import { HELPERS, KFUNCS } from '../../engine/vm/index.ts';
import { runOn } from '../conformance/machines.ts';

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

it('its program does what it says', () => {
  const program = /A program:\n\n```\n(.*?)```/s.exec(written)?.[1] ?? '';
  const { instructions } = parseAssembly(program);
  expect(runOn('interpreter', instructions, Uint8Array.of(5, 1, 0, 0)).r0).toBe(2n * 261n);
  expect(runOn('interpreter', instructions, Uint8Array.of(5, 1)).r0).toBe(0n);
});

it('its mistake is told as it says', () => {
  const message = /error\[assembly\]: (.*)/.exec(written)?.[1];
  const program = /A program:\n\n```\n(.*?)```/s.exec(written)?.[1]?.replace('goto out ', 'goto owt ') ?? '';
  expect(() => parseAssembly(program)).toThrow(message);
});
