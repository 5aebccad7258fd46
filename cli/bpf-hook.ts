import { readFileSync } from 'node:fs';
import {
  type Btf,
  BtfError,
  defineStructs,
  type Hook,
  hookOfSection,
  PROGRAM_TYPES,
  parseBtf,
  SECTION_OF_TYPE,
  SectionError,
  TYPES_OF_MANY_HOOKS,
} from '../engine/object/index.ts';
import { nearest } from '../engine/text/index.ts';
import { createSimHost, kernelBtf } from '../sensors/index.ts';
import { CliError, EXIT, messageOf } from './exit.ts';

/** A program of RFC 9669 on so many bytes of memory: their address is in r1, their number in r2. */
export const memoryHook = (size: number): Hook => ({
  programType: 'isa',
  name: 'isa',
  arguments: [],
  context: { kind: 'memory', size, writable: true },
  returns: { min: -0x8000_0000, max: 0x7fff_ffff },
});

/** What programs of a section get. @throws CliError */
export const sectionHook = (section: string, btf: Btf): Hook => {
  try {
    return hookOfSection(section, btf);
  } catch (error) {
    if (error instanceof SectionError) throw new CliError(error.message, EXIT.usage);
    throw error;
  }
};

const isProgramType = (type: string): type is keyof typeof PROGRAM_TYPES => Object.hasOwn(PROGRAM_TYPES, type);

/** What programs of a type get, for those that attach in one way only. @throws CliError */
export const typeHook = (type: string, btf: Btf): Hook => {
  if (isProgramType(type)) {
    if (!TYPES_OF_MANY_HOOKS.has(type)) return sectionHook(SECTION_OF_TYPE[type], btf);
    throw new CliError(
      `programs of type ${type} get what their hook gives; name it with --section, as in --section tp_btf/sys_exit`,
      EXIT.usage,
    );
  }
  const names = ['isa', ...Object.keys(PROGRAM_TYPES)];
  const near = nearest(type, names);
  throw new CliError(
    `there is no program type "${type}"${near === undefined ? '.' : `; did you mean "${near}"?`} There are ${names.join(', ')}`,
    EXIT.usage,
  );
};

/** BTF from a file, or the running kernel's, or the simulated one's where that can't be read. @throws CliError */
export const kernelTypes = (path: string | undefined): Btf => {
  if (path === undefined) {
    try {
      return kernelBtf();
    } catch {
      return createSimHost().kernel.btf;
    }
  }
  try {
    return parseBtf(new Uint8Array(readFileSync(path)));
  } catch (error) {
    const reason = error instanceof BtfError ? error.message : messageOf(error);
    throw new CliError(`can't read BTF from ${path}: ${reason}`, EXIT.usage);
  }
};

/** BTF without a type, for programs that have nothing to do with a kernel. */
export const noTypes = (): Btf => parseBtf(defineStructs({}));
