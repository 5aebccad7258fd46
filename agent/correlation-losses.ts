import type { Correlator } from '../rules/index.ts';
import type { FoundLoss } from './losses.ts';

/** What correlation let go of since the last look, for want of room. */
export const correlationLosses = (correlator: Correlator): readonly FoundLoss[] =>
  correlator.dropped().map(({ rule, keys, matches }) => ({
    lifecycle: false,
    body: { rule, keys, matches },
    alert: {
      rule: 'Matches forgotten',
      event: 'loss',
      priority: 'warning',
      hook: '',
      output: `"${rule}" goes by so many values at once that ${keys.toLocaleString('en-US')} of them were forgotten with ${matches.toLocaleString('en-US')} matches; a narrower condition, a shorter time or fewer fields in "by" helps`,
      fields: { rule, keys, matches },
    },
  }));
