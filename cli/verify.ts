import { type BpfObject, type FeatureLevel, offeredHook, RelocationError } from '../engine/object/index.ts';
import { VerifierError } from '../engine/verifier/index.ts';
import { type Compiled, compile, type Diagnostic, type Rule } from '../rules/index.ts';
import type { KernelMap } from '../sensors/index.ts';
import { createSimHost, POLICY_MEMORY } from '../sensors/sim/index.ts';

/** What a kernel said to one program of an object. */
interface Refusal {
  readonly program: string;
  readonly reason: string;
  /** What the refused instruction came from. */
  readonly origin: string | undefined;
}

/** Loads an object's programs into a simulated kernel of its level, as an agent would, and lists those it refuses. */
const refusalsOf = (object: BpfObject): readonly Refusal[] => {
  const { kernel } = createSimHost({ level: object.level, memory: POLICY_MEMORY });
  const maps = new Map<string, KernelMap>(object.maps.map((spec) => [spec.name, kernel.createMap(spec)]));
  const refusals: Refusal[] = [];
  for (const program of object.programs) {
    try {
      const hook = offeredHook(program.hook, kernel.features.hooks) ?? program.hook;
      kernel.loadProgram({ ...program, hook }, maps);
    } catch (error) {
      if (error instanceof VerifierError)
        refusals.push({ program: program.hook, reason: error.reason, origin: error.line?.text });
      else if (error instanceof RelocationError)
        refusals.push({ program: program.hook, reason: error.message, origin: undefined });
      else throw error;
    }
  }
  kernel.close();
  return refusals;
};

const diagnosticOf = (rule: Rule, who: string, refusal: Refusal, level: FeatureLevel): Diagnostic => ({
  ...rule.position,
  severity: 'error',
  code: 'refused-by-kernel',
  field: 'condition',
  message: `${who} is refused by a kernel of ${level} at ${refusal.program}: ${refusal.reason}${
    refusal.origin === undefined ? '' : ` (from: ${refusal.origin})`
  }`,
});

/**
 * Asks the simulated kernel whether it takes the programs of rules that were compiled together, and finds the rules to blame where
 * it doesn't; what no rule alone causes is put at the first of them.
 */
export const verifyRules = (compiled: Compiled, rules: readonly Rule[]): readonly Diagnostic[] => {
  const { level } = compiled.object;
  const together = refusalsOf(compiled.object);
  const [first] = rules;
  const [refusal] = together;
  if (refusal === undefined || first === undefined) return [];
  const alone = rules.flatMap((rule) => {
    const [found] = refusalsOf(compile([rule], { level }).object);
    return found === undefined ? [] : [diagnosticOf(rule, `rule "${rule.name}"`, found, level)];
  });
  return alone.length > 0 ? alone : [diagnosticOf(first, `the program of all ${rules.length} rules`, refusal, level)];
};
