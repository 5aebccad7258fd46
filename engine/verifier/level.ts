import type { Opcode } from '../isa/index.ts';
import type { FeatureLevel } from '../object/index.ts';

/** Whether a kernel of this level has what came with `version`, `6.6`. */
export function hasSince(level: FeatureLevel | undefined, version: string | undefined): boolean {
  if (level === undefined || version === undefined) return true;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [haveMajor = 0, haveMinor = 0] = level.split('.').map(Number);
  return haveMajor > major || (haveMajor === major && haveMinor >= minor);
}

/** The kernel from which on an instruction exists; undefined where every level has it. */
export function instructionSince({ operation }: Opcode): string | undefined {
  switch (operation) {
    case 'ldxs':
    case 'movsx':
    case 'bswap':
    case 'sdiv':
    case 'smod':
    case 'ja32':
      return '6.6';
    case 'may_goto':
      return '6.9';
    case 'load_acquire':
    case 'store_release':
      return '6.15';
    default:
      return undefined;
  }
}

/** Licenses that count as compatible with the GPL (license_is_gpl_compatible of include/linux/license.h). */
const GPL_COMPATIBLE: ReadonlySet<string> = new Set([
  'GPL',
  'GPL v2',
  'GPL and additional rights',
  'Dual BSD/GPL',
  'Dual MIT/GPL',
  'Dual MPL/GPL',
]);

export const isGplCompatible = (license: string | undefined): boolean =>
  license === undefined || GPL_COMPATIBLE.has(license);
