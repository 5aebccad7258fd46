import { formatPath, type Path, type SourcePlaces } from '../../../policies/index.ts';
import type { Diagnostic } from '../../../rules/index.ts';
import { scenarioDiagnostic } from './messages.ts';
import type { Action } from './scenario.ts';

/** How the steps so far have left the agent: since which line. */
export interface AgentState {
  isOff: boolean;
  switchedAt: number;
  hangs: boolean;
  hungAt: number;
}

export const createAgentState = (): AgentState => ({ isOff: false, switchedAt: 0, hangs: false, hungAt: 0 });

interface Reading {
  readonly places: SourcePlaces;
  readonly agent: AgentState;
  report(found: Diagnostic): void;
}

/** A step that switches enforcement or is about the agent has to change something; a hanging agent switches nothing. */
export const checkAgentStep = (
  action: Action | 'nothing-to-execute',
  path: Path,
  call: string,
  reading: Reading,
): void => {
  if (typeof action === 'string' || (action.kind !== 'switch' && action.kind !== 'agent')) return;
  const { agent, places, report } = reading;
  const at = [...path, call];
  const where = formatPath(path);
  const position = places.valueAt(at);
  const unchanged = (state: string, line: number, expected: string): void =>
    report(scenarioDiagnostic('nothing-changes', position, formatPath(at), { where, state, line, expected }));
  if (action.kind === 'agent') {
    const { hangs } = action;
    if (hangs === agent.hangs)
      unchanged(
        hangs ? 'the agent hangs' : 'the agent does not hang',
        agent.hungAt,
        hangs ? '"agent: resume" before it' : '"agent: hang" before it',
      );
    agent.hangs = hangs;
    agent.hungAt = position.line;
    return;
  }
  const { isOff } = action;
  if (agent.hangs) {
    const expected = '"agent: resume" before it';
    report(scenarioDiagnostic('agent-hangs', position, formatPath(at), { where, line: agent.hungAt, expected }));
  } else if (isOff === agent.isOff)
    unchanged(
      isOff ? 'enforcement is off' : 'enforcement is on',
      agent.switchedAt,
      isOff ? '"enforcement: on" before it' : '"enforcement: off" before it',
    );
  agent.isOff = isOff;
  agent.switchedAt = position.line;
};
