import { type Alert, isoTime, type Unnumbered } from '../alerts/index.ts';
import type { Priority } from '../rules/index.ts';

/** The policy that alerts of the agent itself name. */
export const BUILT_IN_POLICY = 'shrike';

/** What an alert of the agent's own says. */
export interface BuiltIn {
  readonly rule: 'Events lost' | 'Rule held back' | 'Matches forgotten' | 'Kill budget spent';
  /** The kind of audit entry that says the same. */
  readonly event: 'loss' | 'shed' | 'enforcement';
  readonly priority: Priority;
  /** The hook that it is about; empty where it is about none. */
  readonly hook: string;
  readonly output: string;
  readonly fields: Alert['fields'];
}

/** An alert of a rule that is built in: about what the agent sees, not about a process (pid 0); its `id` and `seq` are empty. @param wallTime nanoseconds since the Unix epoch */
export const builtInAlert = (
  { rule, event, priority, hook, output, fields }: BuiltIn,
  context: { readonly host: string; readonly kernel: string; readonly wallTime: bigint },
): Unnumbered => ({
  v: 1,
  time: isoTime(context.wallTime),
  host: context.host,
  policy: BUILT_IN_POLICY,
  policyHash: '',
  rule,
  priority,
  tags: [],
  hook,
  event,
  output,
  fields,
  trust: {},
  process: { pid: 0, start: 0, exe: null, cmdline: null, uid: 0, ancestors: [] },
  kernel: context.kernel,
  id: '',
  seq: 0,
});
