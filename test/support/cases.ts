import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * A folder of public test data that lies beside the repository and is no part of it; undefined where there is none, and then the
 * reason is printed. @throws Error instead where CI is set, so that a run there can't skip it unnoticed
 */
export function casesFolder(name: string): string | undefined {
  const folder = fileURLToPath(new URL(`../../../shared/cases/${name}`, import.meta.url));
  if (existsSync(folder)) return folder;
  const reason = `there is no ../shared/cases/${name} beside the repository`;
  if (process.env.CI) throw new Error(`${reason}; its tests can't be skipped where CI is set`);
  console.warn(`skipped: ${reason}`);
  return undefined;
}

/** A vector of the eBPF conformance suite. */
export interface ConformanceVector {
  readonly name: string;
  /** ubpf's assembly; undefined where the vector gives slots only. */
  readonly asm: string | undefined;
  /** Whole slots in hex, one a line. */
  readonly raw: string | undefined;
  readonly memory: Uint8Array;
  readonly result: bigint | undefined;
}

/** All vectors, sorted by name; undefined as `casesFolder`. */
export function conformanceVectors(): readonly ConformanceVector[] | undefined {
  const folder = casesFolder('bpf_conformance');
  if (folder === undefined) return undefined;
  return readdirSync(folder)
    .filter((file) => file.endsWith('.data'))
    .sort()
    .map((file) => parseVector(file.slice(0, -'.data'.length), readFileSync(join(folder, file), 'utf8')));
}

function parseVector(name: string, text: string): ConformanceVector {
  const sections = new Map<string, string>();
  for (const part of text.split(/^-- /m).slice(1)) {
    const newline = part.indexOf('\n');
    sections.set(part.slice(0, newline).trim(), part.slice(newline + 1));
  }
  const result = sections.get('result')?.trim();
  return {
    name,
    asm: sections.get('asm'),
    raw: sections.get('raw'),
    memory: Uint8Array.from(sections.get('mem')?.match(/[0-9a-f]{2}/gi) ?? [], (byte) => Number.parseInt(byte, 16)),
    result: result === undefined ? undefined : BigInt(result),
  };
}
