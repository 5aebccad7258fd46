import { predicatesOf, type Rule } from '../rules/index.ts';
import { createDomainNames, type DomainNames, type Sensor } from '../sensors/index.ts';

/** Fields that compare an address with domain names. */
const NAMES_OF_ADDRESSES: ReadonlySet<string> = new Set(['fd.cip.name', 'fd.sip.name', 'fd.lip.name', 'fd.rip.name']);

/** Looks up the domain names that rules name; undefined where they name none, or where the sensor can't look any up. */
export const openDomains = (
  rules: readonly Rule[],
  { resolve }: Pick<Sensor, 'resolve'>,
  warn?: (sentence: string) => void,
): DomainNames | undefined => {
  const names = rules.flatMap((rule) =>
    predicatesOf(rule.condition)
      .filter(({ field }) => NAMES_OF_ADDRESSES.has(field.name))
      .flatMap(({ constants }) => constants.flatMap((each) => (each.type === 'string' ? [each.value] : []))),
  );
  if (names.length === 0 || resolve === undefined) return undefined;
  return createDomainNames({ names, resolve, warn });
};
