// Writes the tables of docs/ebpf.md from those of the machine, as dist/ has them (`npm run docs`). What stands outside of the marks
// `<!-- table: NAME -->` and `<!-- end -->` is written by hand.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const row = (cells) => `| ${cells.join(' | ')} |`;
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)];
const code = (text) => `\`${text.replaceAll('|', '\\|')}\``;
const hex = (byte) => byte.toString(16).padStart(2, '0');

/** What stands for the braces of a notation in the table. */
const EXAMPLES = {
  dst: 'r1',
  src: 'r2',
  wdst: 'w1',
  wsrc: 'w2',
  offset: '+8',
  imm: '7',
  hex: '0x7',
  imm64: '0x7',
  next: '16',
  near: 'pc+3',
  far: 'pc+3',
  helper: 'bpf_map_lookup_elem#1',
  map: 'map[id:4]',
  map_value: 'map[id:4][0]+16',
};
const example = (text) => text.replace(/\{(\w+)\}/g, (_, name) => EXAMPLES[name]);

/** One line an operation and group: opcodes of its forms, and the notation of the last, which takes registers. */
const instructionRows = ({ OPCODES }) => {
  const lines = new Map();
  for (const form of OPCODES) {
    const sizes = /^(ldx|ldxs|st|stx|ldabs|ldind|load_acquire|store_release)$/.test(form.operation);
    const operation = form.operation === 'lddw' ? form.name : form.operation;
    const key = `${operation} ${form.group}`;
    const line = lines.get(key) ?? { operation, group: form.group, opcodes: new Set(), texts: [], sizes };
    line.opcodes.add(hex(form.opcode));
    line.texts.push(example(form.text));
    lines.set(key, line);
  }
  return [...lines.values()].map(({ operation, group, opcodes, texts, sizes }) => [
    code(operation),
    group,
    [...opcodes].map(code).join(' '),
    code(sizes ? texts[0] : texts.at(-1)),
  ]);
};

const argument = (type) => {
  if (typeof type === 'string') return type;
  if ('struct' in type) return `struct ${type.struct}${type.nullable ? ' or null' : ''}`;
  if ('memory' in type) return `${type.memory} bytes`;
  return Object.keys(type)[0] ?? '';
};

const callRow = ({ id, name, arguments: args, returns, programTypes, gplOnly, sleepable, since }, numbered) => [
  ...(numbered ? [String(id)] : []),
  code(name),
  args.map(argument).join(', '),
  argument(returns),
  programTypes === 'all' ? 'all' : programTypes.join(', '),
  [...(gplOnly ? ['GPL'] : []), ...(sleepable ? ['sleepable'] : []), ...(since ? [`from ${since}`] : [])].join(', '),
];

const mapRows = ({ MAP_TYPE_IDS, HELPERS }) =>
  Object.entries(MAP_TYPE_IDS).map(([type, id]) => [
    code(type),
    String(id),
    HELPERS.filter(({ mapTypes }) => mapTypes?.includes(type))
      .map(({ name }) => code(name.replace(/^bpf_/, '')))
      .join(' '),
  ]);

/** The lines of each table by the name in its mark. */
export const ebpfTables = (machine) => ({
  instructions: table(['operation', 'group', 'opcodes', 'notation'], instructionRows(machine)),
  maps: table(['type', 'number', 'helpers made for it (without `bpf_`)'], mapRows(machine)),
  helpers: table(
    ['number', 'helper', 'arguments', 'result', 'program types', ''],
    machine.HELPERS.map((helper) => callRow(helper, true)),
  ),
  kfuncs: table(
    ['function', 'arguments', 'result', 'program types', ''],
    machine.KFUNCS.map((kfunc) => callRow(kfunc, false)),
  ),
});

/** The document with its tables made anew. */
export const ebpfDocument = (text, machine) =>
  Object.entries(ebpfTables(machine)).reduce((document, [name, lines]) => {
    const mark = new RegExp(`(<!-- table: ${name} -->\n).*?(<!-- end -->)`, 's');
    if (!mark.test(document)) throw new Error(`docs/ebpf.md has no mark "<!-- table: ${name} -->" with an end`);
    return document.replace(mark, (_, begin, end) => `${begin}${lines.join('\n')}\n${end}`);
  }, text);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { OPCODES } = await import('../dist/engine/isa/index.js');
  const { MAP_TYPE_IDS } = await import('../dist/engine/object/index.js');
  const { HELPERS, KFUNCS } = await import('../dist/engine/vm/index.js');
  const path = fileURLToPath(new URL('../docs/ebpf.md', import.meta.url));
  writeFileSync(path, ebpfDocument(readFileSync(path, 'utf8'), { OPCODES, MAP_TYPE_IDS, HELPERS, KFUNCS }));
}
