import type { AuditLog } from '../alerts/index.ts';
import type { Policy } from '../policies/index.ts';
import type { ProvenTier } from './proof.ts';
import type { RuleChanges } from './rule-changes.ts';

/** What the audit log has of a policy that runs from now on. */
export const policyRecord = ({ name, hash, mode, rules }: Policy) => ({ name, hash, mode, rules: rules.length });

/** Logs a reload: each policy that runs now, and each that does not any more; with hooks that were tried for the first time. */
export const logReload = (
  log: AuditLog,
  before: readonly Policy[],
  after: readonly Policy[],
  changes: RuleChanges & { readonly tiers?: readonly ProvenTier[] },
): void => {
  const { added, removed, changed, tiers } = changes;
  const counts = { added: added.length, removed: removed.length, changed: changed.length };
  const reload = { ...counts, ...(tiers && { tiers }) };
  for (const policy of after) log.append('policy', { ...policyRecord(policy), reload });
  const names = new Set(after.map(({ name }) => name));
  for (const { name, hash } of before) if (!names.has(name)) log.append('policy', { name, hash, ended: true, reload });
};
