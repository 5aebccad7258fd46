/** What happens on a mount that fanotify asks about, on Linux and in the simulation; `FOLDER` is where it is mounted. */
export const gatePolicies = (folder: string, scope: string): string => `apiVersion: shrike/v1
kind: Policy
metadata: {name: denies}
spec:
  mode: enforce
  scope: {cgroup: ${scope}}
  rules:
    - rule: Secret read
      condition: evt.type in (open, openat, openat2) and fd.name = ${folder}/secret and proc.name = cat and user.uid = 0
      priority: critical
      output: "%proc.name opened %fd.name"
      action: deny
    - rule: Program run
      condition: evt.type in (execve, execveat) and proc.exepath = ${folder}/program
      priority: critical
      output: "%evt.type"
      action: deny
---
apiVersion: shrike/v1
kind: Policy
metadata: {name: watches}
spec:
  mode: monitor
  scope: {cgroup: ${scope}}
  rules:
    - rule: Diary read
      condition: evt.type in (open, openat, openat2) and fd.name = ${folder}/diary
      priority: critical
      output: "%proc.name opened %fd.name"
      action: deny
`;

export interface GateStep {
  /** Who does it. */
  readonly by: 'cat' | 'head' | 'sh';
  readonly does: 'open' | 'exec';
  readonly file: 'secret' | 'free' | 'diary' | 'program';
  /** The process is in the scope. */
  readonly inside: boolean;
  readonly denied: boolean;
}

export const GATE_STEPS: readonly GateStep[] = [
  { by: 'cat', does: 'open', file: 'secret', inside: true, denied: true },
  { by: 'head', does: 'open', file: 'secret', inside: true, denied: false },
  { by: 'cat', does: 'open', file: 'free', inside: true, denied: false },
  { by: 'cat', does: 'open', file: 'diary', inside: true, denied: false },
  { by: 'cat', does: 'open', file: 'secret', inside: false, denied: false },
  { by: 'sh', does: 'exec', file: 'program', inside: true, denied: true },
  { by: 'sh', does: 'exec', file: 'program', inside: false, denied: false },
];

/** What the audit log has of it: rule, hook, tier and outcome of each attempt. */
export const GATE_ATTEMPTS = [
  ['Secret read', 'fanotify/open', 'fanotify', 'denied'],
  ['Diary read', 'fanotify/open', 'fanotify', 'would have'],
  ['Program run', 'fanotify/exec', 'fanotify', 'denied'],
] as const;

/** What the log's `start` entry says was tried. */
export const GATE_TIERS = [
  { tier: 'fanotify', hook: 'fanotify/open', proven: true },
  { tier: 'fanotify', hook: 'fanotify/exec', proven: true },
] as const;
