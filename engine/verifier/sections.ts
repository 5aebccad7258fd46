import type { Helper } from '../vm/index.ts';
import { Rejection } from './error.ts';
import type { Session } from './session.ts';
import type { State } from './state.ts';
import type { Step } from './step.ts';

/** Kernel functions that begin a section of a program, by those that end it. */
const BEGINNINGS: Readonly<Record<string, string>> = {
  bpf_rcu_read_unlock: 'bpf_rcu_read_lock',
  bpf_preempt_enable: 'bpf_preempt_disable',
  bpf_local_irq_restore: 'bpf_local_irq_save',
};
const NAMES: ReadonlySet<string> = new Set(Object.values(BEGINNINGS));

/** Keeps account of sections, which must end on every path and in which nothing may sleep. @throws Rejection */
export function checkSection(session: Session, state: State, step: Step, { name, sleepable }: Helper): void {
  const open = state.references.findLast(({ section }) => section !== undefined);
  if (open && sleepable) throw new Rejection(`it may sleep, which isn't allowed after ${open.section}`);
  if (NAMES.has(name)) {
    const leak = `the section that ${name} began at slot ${step.at} does not end on this path`;
    state.references = [...state.references, { id: session.nextId(), at: step.at, leak, section: name }];
    return;
  }
  const beginning = BEGINNINGS[name];
  if (beginning === undefined) return;
  const begun = state.references.findLast(({ section }) => section === beginning);
  if (!begun) throw new Rejection(`there is no ${beginning} before it on this path`);
  state.references = state.references.filter((each) => each !== begun);
}
