import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a program of LLVM's prints about an object. @throws Error where it fails */
export function llvm(
  program: 'llvm-objdump-19' | 'llvm-readelf-19',
  flags: readonly string[],
  bytes: Uint8Array,
): string {
  const folder = mkdtempSync(join(tmpdir(), 'shrike-llvm-'));
  try {
    const file = join(folder, 'object.o');
    writeFileSync(file, bytes);
    const { status, stdout, stderr, error } = spawnSync(program, [...flags, file], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${program}: ${error?.message ?? stderr}`);
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A line of a function's listing: an instruction by its slot, or what the listing says about the one before. */
export interface ListedFunction {
  readonly section: string;
  readonly name: string;
  readonly slots: number;
  readonly relocations: readonly { readonly slot: number; readonly type: string; readonly symbol: string }[];
  /** `access` is undefined for values of enums, which the listing names. */
  readonly core: readonly {
    readonly slot: number;
    readonly what: string;
    readonly type: number;
    readonly access: string | undefined;
  }[];
  /** Source line by slot, where one begins. */
  readonly lines: readonly { readonly slot: number; readonly file: string; readonly line: number }[];
}

/** The functions of an object as llvm-objdump lists them, slots counted from each function's first. */
export function listFunctions(bytes: Uint8Array): ListedFunction[] {
  const functions: (ListedFunction & { slots: number; base: number })[] = [];
  let section = '';
  let place: { file: string; line: number } | undefined;
  const write = <T>(list: readonly T[]): T[] => list as T[];
  for (const line of llvm('llvm-objdump-19', ['-d', '-r', '-l', '--no-show-raw-insn'], bytes).split('\n')) {
    const top = functions.at(-1);
    const [, named] = /^Disassembly of section (.+):$/.exec(line) ?? [];
    const [, address, name] = /^([0-9a-f]{16}) <(.+)>:$/.exec(line) ?? [];
    const [, slot, text] = /^\s+(\d+):\s+(.+)$/.exec(line) ?? [];
    const [, at, type, symbol] = /^\s+([0-9a-f]{16}):\s+(R_BPF_\w+)\s+(.+)$/.exec(line) ?? [];
    const core = /^\s+([0-9a-f]{16}):\s+CO-RE <(\w+)> \[(\d+)\] .*?(?:\(([\d:]+)\)|)(?: = .*)?$/.exec(line);
    const [, file, number] = /^; (\/.*|<stdin>):(\d+)$/.exec(line) ?? [];
    if (named !== undefined) section = named;
    else if (name !== undefined && address !== undefined && !/^LBB\d+_\d+$/.test(name)) {
      const base = Number.parseInt(address, 16) / 8;
      functions.push({ section, name, slots: 0, base, relocations: [], core: [], lines: [] });
    } else if (file !== undefined) place = { file, line: Number(number) };
    else if (!top) continue;
    else if (at !== undefined && type !== undefined && symbol !== undefined)
      write(top.relocations).push({ slot: Number.parseInt(at, 16) / 8 - top.base, type, symbol });
    else if (core)
      write(top.core).push({
        slot: Number.parseInt(core[1] ?? '', 16) / 8 - top.base,
        what: core[2] ?? '',
        type: Number(core[3]),
        access: core[4] ?? (core[2]?.startsWith('enumval') ? undefined : '0'),
      });
    else if (slot !== undefined && text !== undefined) {
      const own = Number(slot) - top.base;
      top.slots = own + (text.endsWith(' ll') ? 2 : 1);
      if (place) write(top.lines).push({ slot: own, ...place });
      place = undefined;
    }
  }
  return functions;
}
