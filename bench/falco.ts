import { existsSync } from 'node:fs';
import { loadPolicies, type Policy, packageFolder } from '../policies/index.ts';

const FILES = ['falco_rules.yaml', 'falco-incubating_rules.yaml'];

/** The policies that Falco's rule files are, from `../shared/cases/falco` beside the repository; undefined where they aren't there. */
export const falcoPolicies = (): readonly Policy[] | undefined => {
  const paths = FILES.map((file) => packageFolder('..', 'shared', 'cases', 'falco', file));
  return paths.every((path) => existsSync(path)) ? loadPolicies(paths).policies : undefined;
};
