import { type Btf, type ProgramSpec, parseSection, relocate } from '../../engine/object/index.ts';
import { btfIdOf, loadBtf } from './btf.ts';
import { BpfError } from './error.ts';
import { programInfo } from './line-info.ts';
import { type LinuxProgram, loadLinuxProgram } from './program.ts';
import { ProgramRefused } from './refusal.ts';

/**
 * Fits a program to the running kernel and loads it with its lines, so that what the kernel says of it names rules.
 * @param maps the file descriptor of a map by name. @throws RelocationError ProgramRefused
 */
export function loadProgram(
  spec: ProgramSpec<string>,
  maps: (name: string) => number | undefined,
  btf: Btf,
): LinuxProgram {
  const section = parseSection(spec.hook);
  const id = section.btf && btfIdOf(section.btf.kind, section.btf.name);
  if (section.btf && id === undefined)
    throw new Error(
      `program "${spec.name}" (${spec.hook}): this kernel's BTF has no ${section.btf.kind} ${section.btf.name}`,
    );
  const instructions = relocate(spec, maps, btf);
  const info = programInfo({ ...spec, instructions });
  const types = loadBtf(info.btf);
  try {
    return loadLinuxProgram({
      name: spec.name,
      instructions,
      programType: section.programType,
      btf: { fd: types.fd, functions: info.functions, lines: info.lines },
      ...(section.attachType !== undefined && { attachType: section.attachType }),
      ...(id !== undefined && { attachBtfId: id }),
      ...(section.sleepable && { sleepable: true }),
    });
  } catch (error) {
    if (error instanceof BpfError && error.call === 'BPF_PROG_LOAD') throw new ProgramRefused(spec, error);
    throw error;
  } finally {
    types.close();
  }
}
