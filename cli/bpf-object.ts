import { ElfError, type ElfObject, readElf, withKconfig } from '../engine/object/index.ts';
import { nearest } from '../engine/text/index.ts';
import { kernelConfig } from '../sensors/index.ts';
import { CliError, EXIT } from './exit.ts';

type Program = ElfObject['programs'][number];

/** Reads an ELF object. @throws CliError */
export const readObject = (bytes: Uint8Array, name: string): ElfObject => {
  try {
    return readElf(bytes, name);
  } catch (error) {
    if (error instanceof ElfError) throw new CliError(error.message, EXIT.usage);
    throw error;
  }
};

/** The programs of a section or of a name, all where neither is wanted. @throws CliError where there is none */
export const chosenPrograms = (object: ElfObject, wanted: string | undefined): readonly Program[] => {
  if (object.programs.length === 0) {
    throw new CliError(`${object.name} has no programs; its code is in no section that names a hook`, EXIT.usage);
  }
  if (wanted === undefined) return object.programs;
  const chosen = object.programs.filter(({ hook, name }) => hook === wanted || name === wanted);
  if (chosen.length > 0) return chosen;
  const names = [...new Set(object.programs.flatMap(({ hook, name }) => [hook, name]))];
  const near = nearest(wanted, names);
  throw new CliError(
    `${object.name} has no section or program "${wanted}"${near === undefined ? '.' : `; did you mean "${near}"?`} It has ${object.programs.map(({ hook, name }) => `${name} (${hook})`).join(', ')}`,
    EXIT.usage,
  );
};

/** The object with what it asks for of the running kernel's configuration, as far as that is known. @throws CliError */
export const withRunningConfig = (object: ElfObject): ElfObject => {
  if (object.kconfig.length === 0) return object;
  try {
    return withKconfig(object, kernelConfig());
  } catch (error) {
    if (error instanceof RangeError) throw new CliError(`${object.name}: ${error.message}`, EXIT.usage);
    throw error;
  }
};
