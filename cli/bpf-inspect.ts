import {
  type Btf,
  describeCore,
  type ElfObject,
  type MapSpec,
  parseSection,
  type Relocation,
  SectionError,
} from '../engine/object/index.ts';
import { contentOf, type Input } from './bpf-input.ts';
import { readObject } from './bpf-object.ts';
import { CliError, EXIT, type ExitCode } from './exit.ts';
import type { Output } from './output.ts';
import { count } from './paint.ts';

type Program = ElfObject['programs'][number];

/** What a relocation puts into its instruction, in words. */
const relocationText = (relocation: Relocation, { btf }: ElfObject): string => {
  switch (relocation.kind) {
    case 'map':
      return `map ${relocation.map}`;
    case 'map_value':
      return `map ${relocation.map} +${relocation.offset}`;
    case 'field':
      return `${relocation.what} of ${relocation.access}`;
    case 'core':
      return btf ? describeCore(relocation, btf) : `${relocation.what} of type ${relocation.type}`;
    case 'kfunc':
      return `kernel function ${relocation.name}${relocation.weak ? ', may be missing' : ''}`;
    case 'ksym':
      return `kernel symbol ${relocation.name}${relocation.weak ? ', may be missing' : ''}`;
  }
};

const typeOf = ({ hook }: Program): string => {
  try {
    return parseSection(hook).programType;
  } catch (error) {
    if (error instanceof SectionError) return 'unknown';
    throw error;
  }
};

const kindsOf = (btf: Btf): readonly (readonly [kind: string, number: number])[] => {
  const kinds = new Map<string, number>();
  for (let id = 1; id <= btf.count; id++) kinds.set(btf.kind(id), (kinds.get(btf.kind(id)) ?? 0) + 1);
  return [...kinds].sort(([, one], [, other]) => other - one);
};

const mapRecord = ({ name, type, keySize, valueSize, maxEntries, flags = 0, inner, contents, slots }: MapSpec) => ({
  name,
  kind: type,
  keySize,
  valueSize,
  maxEntries,
  flags,
  ...(inner && { inner: inner.type }),
  ...(contents && { initialised: contents.length }),
  ...(slots && { slots: slots.map(([index, target]) => ({ index, target })) }),
});

const printJson = (object: ElfObject, output: Output): void => {
  const { name, license, programs, maps, btf, kconfig } = object;
  output.json({ type: 'object', name, license, programs: programs.length, maps: maps.length });
  for (const program of programs) {
    output.json({
      type: 'program',
      name: program.name,
      section: program.hook,
      programType: typeOf(program),
      instructions: program.instructions.length,
      functions: (program.functions ?? []).map(({ at, name: called, linkage }) => ({ at, name: called, linkage })),
      lines: program.lines.length,
      optional: program.optional === true,
    });
    for (const relocation of program.relocations) {
      output.json({
        type: 'relocation',
        program: program.name,
        at: relocation.at,
        kind: relocation.kind,
        text: relocationText(relocation, object),
      });
    }
  }
  for (const map of maps) output.json({ type: 'map', ...mapRecord(map) });
  for (const { name: variable, size, weak } of kconfig) output.json({ type: 'kconfig', name: variable, size, weak });
  if (btf) output.json({ type: 'btf', types: btf.count, kinds: Object.fromEntries(kindsOf(btf)) });
};

/** Rows as columns as wide as their widest cell; numbers to the right. */
const table = (rows: readonly (readonly (string | number)[])[]): string[] => {
  const widths = rows.reduce<number[]>(
    (all, row) => row.map((cell, column) => Math.max(all[column] ?? 0, String(cell).length)),
    [],
  );
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column]!;
        return typeof cell === 'number' ? String(cell).padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
};

const printTables = (object: ElfObject, output: Output): void => {
  const { paint } = output;
  const { programs, maps, btf, kconfig } = object;
  const section = (title: string, rows: readonly (readonly (string | number)[])[]): void => {
    if (rows.length < 2) return;
    output.line();
    output.line(paint.bold(title));
    const [head = '', ...rest] = table(rows);
    output.line(`  ${paint.dim(head)}`);
    for (const row of rest) output.line(`  ${row}`);
  };
  const license = object.license === '' ? 'no license' : `license ${object.license}`;
  output.line(
    `${paint.bold(object.name)}: ${count(programs.length, 'program')}, ${count(maps.length, 'map')}, ${license}`,
  );
  section('programs', [
    ['name', 'section', 'type', 'slots', 'functions', 'relocations', 'lines'],
    ...programs.map((program) => [
      program.name,
      `${program.optional ? '?' : ''}${program.hook}`,
      typeOf(program),
      program.instructions.length,
      program.functions?.length ?? 0,
      program.relocations.length,
      program.lines.length,
    ]),
  ]);
  section('maps', [
    ['name', 'type', 'key', 'value', 'entries', 'flags', ''],
    ...maps.map((spec) => [
      spec.name,
      spec.type,
      spec.keySize,
      spec.valueSize,
      spec.maxEntries,
      `0x${(spec.flags ?? 0).toString(16)}`,
      [
        ...(spec.inner ? [`of ${spec.inner.type}`] : []),
        ...(spec.contents ? ['initialised'] : []),
        ...(spec.slots ?? []).map(([index, target]) => `${index}: ${target}`),
      ].join(', '),
    ]),
  ]);
  section('relocations', [
    ['program', 'slot', 'what'],
    ...programs.flatMap(({ name, relocations }) =>
      relocations.map((relocation) => [name, relocation.at, relocationText(relocation, object)]),
    ),
  ]);
  section('configuration it asks for', [
    ['name', 'bytes', ''],
    ...kconfig.map(({ name, size, weak }) => [name, size, weak ? 'may be unknown' : '']),
  ]);
  if (!btf) return;
  output.line();
  output.line(`${paint.bold('BTF')}: ${count(btf.count, 'type')}`);
  output.line(
    `  ${kindsOf(btf)
      .map(([kind, number]) => `${number} ${kind}`)
      .join(', ')}`,
  );
};

/** Shows what an ELF object holds: programs, maps, relocations, BTF. */
export const inspect = (input: Input, { json }: { readonly json?: boolean }, output: Output): ExitCode => {
  const content = contentOf(input);
  if (content.kind !== 'elf') {
    throw new CliError(
      `${input.name} is no ELF object; compile one with "clang -target bpf -g -O2 -c", or see instructions with "shrike bpf disasm"`,
      EXIT.usage,
    );
  }
  const object = readObject(content.bytes, input.name);
  if (json) printJson(object, output);
  else printTables(object, output);
  return EXIT.fine;
};
