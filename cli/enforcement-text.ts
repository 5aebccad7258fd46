import type { EnforcementBody } from '../agent/index.ts';
import { escapeControl } from '../alerts/index.ts';
import { elapsedText } from './elapsed.ts';

/** What an audit record of enforcement says where nothing was done; undefined for what was denied or killed, which is shown where it happens. */
export const enforcementText = (body: EnforcementBody): string | undefined => {
  if ('switched' in body) return `enforcement switched ${body.switched} by ${escapeControl(body.by)}`;
  if ('lapsed' in body)
    return `nothing was enforced for ${elapsedText(BigInt(body.lapsed))}: the agent had not said that it lives; it goes on`;
  if (body.outcome === 'killed' || (body.outcome === 'denied' && body.denied === true)) return undefined;
  const done = body.denied === true ? 'denied, but not killed' : 'left alone';
  return `${done}: ${body.outcome} (${escapeControl(body.rule)})`;
};
