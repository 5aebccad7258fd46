import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { offeredHook } from '../../../engine/object/index.ts';
import { loadPolicies, type Policy } from '../../../policies/index.ts';
import type { Compiled } from '../../../rules/index.ts';
import type { Kernel } from '../../../sensors/index.ts';

/** Files of public rules, as they come. */
const FILES = ['falco_rules.yaml', 'falco-incubating_rules.yaml'];

/** The policies that Falco's rule files in a folder are. @throws Error where one is not there, or not accepted */
export const falcoPolicies = (folder: string): readonly Policy[] => {
  const paths = FILES.map((file) => join(folder, file));
  const missing = paths.find((path) => !existsSync(path));
  if (missing !== undefined) throw new Error(`there is no ${missing}`);
  const { policies, diagnostics } = loadPolicies(paths);
  const mistakes = diagnostics.filter(({ severity }) => severity === 'error');
  if (mistakes.length > 0) throw new Error(`Falco's rules: ${JSON.stringify(mistakes)}`);
  return policies;
};

/** Loads an object's programs and attaches none; returns their hooks. The kernel is closed. @throws VerifierError, Error for a hook that the kernel lacks */
export const loadOnly = (kernel: Kernel, { object }: Compiled): readonly string[] => {
  try {
    const maps = new Map(object.maps.map((spec) => [spec.name, kernel.createMap(spec)]));
    return object.programs.map((program) => {
      const hook = offeredHook(program.hook, kernel.features.hooks);
      if (hook === undefined) throw new Error(`${kernel.features.name} takes no programs at ${program.hook}`);
      kernel.loadProgram({ ...program, hook }, maps);
      return program.hook;
    });
  } finally {
    kernel.close();
  }
};
