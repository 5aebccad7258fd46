import type { Rule } from '../rules/index.ts';

/** Rules that one set of policies has and another has not, each as `policy: rule`. */
export interface RuleChanges {
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Of the same policy and name, but not what they were. */
  readonly changed: readonly string[];
}

const nameOf = ({ policy, name }: Rule): string => `${policy}: ${name}`;

/** All that a rule says, without where it says so: rules with the same text do the same. */
export const ruleText = ({ position: _, conditionAt: __, ...said }: Rule): string =>
  JSON.stringify(said, (_key, part: unknown) =>
    typeof part === 'bigint' ? `${part}n` : part instanceof Uint8Array ? [...part] : part,
  );

/** Texts of rules by their names: several steps of a sequence have one name. */
const textsOf = (rules: readonly Rule[]): ReadonlyMap<string, string> => {
  const texts = new Map<string, string>();
  for (const rule of rules) {
    const name = nameOf(rule);
    texts.set(name, `${texts.get(name) ?? ''}\n${ruleText(rule)}`);
  }
  return texts;
};

export const ruleChanges = (before: readonly Rule[], after: readonly Rule[]): RuleChanges => {
  const [old, now] = [textsOf(before), textsOf(after)];
  return {
    added: [...now.keys()].filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !now.has(name)),
    changed: [...now].filter(([name, text]) => old.has(name) && old.get(name) !== text).map(([name]) => name),
  };
};
