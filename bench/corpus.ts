import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Instruction } from '../engine/isa/index.ts';
import {
  type Btf,
  HOOKS,
  hookOfSection,
  readElf,
  relocate,
  relocateProgram,
  withKconfig,
} from '../engine/object/index.ts';
import type { VerifierContext } from '../engine/verifier/index.ts';
import { helperById } from '../engine/vm/index.ts';
import { packageFolder } from '../policies/index.ts';
import { compile } from '../rules/index.ts';
import { btfIdOf, createLinuxMap, kernelConfig, loadElfLinux, loadLinuxProgram } from '../sensors/index.ts';
import { library } from './agent.ts';

const CLANG = 'clang-19';
/** enum bpf_attach_type of include/uapi/linux/bpf.h. */
const BPF_TRACE_RAW_TP = 23;

/** A program as the verifier takes it, and what the running kernel's says of it. */
export interface CorpusProgram {
  /** `for_each/for_each (syscall)` */
  readonly name: string;
  readonly instructions: readonly Instruction[];
  readonly context: VerifierContext;
  /** Instructions that the kernel's verifier processed; undefined where it doesn't take the program here. */
  processed(): number | undefined;
}

/** What the kernel says, undefined where it refuses. */
const asked = (load: () => number): number | undefined => {
  try {
    return load();
  } catch {
    return undefined;
  }
};

/** The programs that the shipped rules compile to, fitted to a kernel. */
export const ruleCorpus = (btf: Btf): readonly CorpusProgram[] => {
  const { object } = compile(
    library().flatMap((policy) => policy.rules),
    { level: '6.12' },
  );
  const handles = new Map(object.maps.map((spec, index) => [spec.name, index + 1]));
  return object.programs.map((program) => ({
    name: `rules (${program.hook})`,
    instructions: relocate(program, (name) => handles.get(name), btf),
    context: {
      name: program.name,
      hook: HOOKS[program.hook],
      btf,
      map: (handle) => object.maps[handle - 1],
      helper: helperById,
      lines: program.lines,
    },
    processed: () =>
      asked(() => {
        const maps = new Map(object.maps.map((spec) => [spec.name, createLinuxMap(spec)]));
        try {
          const attachBtfId = btfIdOf('typedef', program.hook.replace('tp_btf/', 'btf_trace_'));
          const loaded = loadLinuxProgram({
            name: 'rules',
            programType: 'tracing',
            attachType: BPF_TRACE_RAW_TP,
            ...(attachBtfId !== undefined && { attachBtfId }),
            instructions: relocate(program, (name) => maps.get(name)?.fd, btf),
          });
          const { verified } = loaded;
          loaded.close();
          return verified;
        } finally {
          for (const map of maps.values()) map.close();
        }
      }),
  }));
};

/** The programs of test/objects, compiled by clang and fitted to a kernel. @throws Error where clang is missing or refuses one */
export const objectCorpus = (btf: Btf): readonly CorpusProgram[] => {
  const folder = packageFolder('test', 'objects');
  const sources = readdirSync(folder).filter((name) => name.endsWith('.c'));
  return sources.flatMap((source) => {
    const flags = ['-target', 'bpf', '-O2', '-g', '-mcpu=v4', `-I${join(folder, 'include')}`];
    const { status, stdout, stderr, error } = spawnSync(CLANG, [...flags, '-c', join(folder, source), '-o', '-'], {
      maxBuffer: 1 << 26,
    });
    if (status !== 0) throw new Error(`${CLANG} refuses ${source}: ${error?.message ?? stderr.toString()}`);
    const read = readElf(new Uint8Array(stdout), source);
    const object = read.kconfig.length > 0 ? withKconfig(read, kernelConfig()) : read;
    const handles = new Map(object.maps.map((spec, index) => [spec.name, index + 1]));
    return object.programs.map((program): CorpusProgram => {
      const { instructions, poisoned } = relocateProgram(program, { maps: (name) => handles.get(name), btf, object });
      return {
        name: `${source.slice(0, -2)}/${program.name} (${program.hook})`,
        instructions,
        context: {
          name: program.name,
          hook: hookOfSection(program.hook, btf),
          btf,
          map: (handle) => object.maps[handle - 1],
          helper: helperById,
          license: object.license,
          poisoned,
          ...(program.functions && { functions: program.functions }),
          ...(object.btf && { objectBtf: object.btf }),
        },
        processed: () =>
          asked(() => {
            const loaded = loadElfLinux(read, { programs: [program.name] });
            const verified = loaded.programs.get(program.name)?.verified;
            loaded.close();
            if (verified === undefined) throw new Error(`${program.name} was not loaded`);
            return verified;
          }),
      };
    });
  });
};
