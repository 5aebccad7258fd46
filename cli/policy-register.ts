import type { AuditEntry } from '../alerts/index.ts';

/** Which policies are in force, by the entries of a log in their order. */
export interface PolicyRegister {
  take(entry: AuditEntry): void;
  /** The entries by which they came into force. */
  inForce(): readonly AuditEntry[];
  /** Whether the run's start was among the entries. */
  hasStart(): boolean;
}

export const createPolicyRegister = (): PolicyRegister => {
  const policies = new Map<string, AuditEntry>();
  let started = false;
  return {
    take: (entry) => {
      if (entry.kind === 'start' || entry.kind === 'stop') {
        policies.clear();
        started = true;
      }
      if (entry.kind !== 'policy') return;
      const { name, ended } = entry.body as { name?: string; ended?: boolean };
      if (name === undefined) return;
      policies.delete(name);
      if (ended !== true) policies.set(name, entry);
    },
    inForce: () => [...policies.values()],
    hasStart: () => started,
  };
};
