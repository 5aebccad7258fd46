import { PRIORITIES } from '../../../rules/index.ts';
import type { AttemptTotal, Collected } from '../collect.ts';
import type { Cost } from '../cost.ts';
import { numberOf, textOf } from '../glance.ts';
import { type Html, html } from '../html.ts';
import type { PolicyPeriod, Run } from '../runs.ts';
import { duration, list, number, plural, share } from '../words.ts';
import { badge, done, moment, value } from './marks.ts';
import { table } from './table.ts';

/** A section with its heading. */
export const section = (id: string, heading: string, content: Html, isOnNewPage = false): Html =>
  html`<section id="${id}" aria-labelledby="h-${id}"${isOnNewPage && html` class="paper"`}><h2 id="h-${id}">${heading}</h2>
${content}</section>
`;

const MOST_ROWS = 300;

/** Rows that a table shows at most; what is left out is said below it. */
const bounded = <T>(
  items: readonly T[],
  of: number,
  noun: string,
): { readonly rows: readonly T[]; readonly note: Html | undefined } => {
  const rows = items.slice(0, MOST_ROWS);
  const left = of - rows.length;
  return {
    rows,
    note: left > 0 ? html`<p><strong>Left out here:</strong> ${plural(left, noun)}; the log has them.</p>` : undefined,
  };
};

/** What an outcome of an attempt means. */
const reasonOf = ({ outcome, isDone, action }: AttemptTotal): string => {
  if (isDone)
    return action === 'kill' && outcome !== 'killed'
      ? 'the call was refused; the process was not killed'
      : 'carried out';
  if (outcome === 'would have') return "only watched: the policy's mode is monitor, or the agent ran without --enforce";
  if (outcome === 'not certain') return 'a value was unknown, and nothing is done on a guess';
  if (outcome === 'switched off') return 'enforcement was switched off';
  if (outcome === 'expired') return 'enforcement had ended by itself: the agent had not said that it lives';
  if (outcome === 'budget spent') return 'so many processes of that executable were killed already that no more are';
  if (outcome === 'not sent') return 'the kernel took no signal';
  if (outcome.startsWith('suppressed: ')) return `a guard stood before it: ${outcome.slice('suppressed: '.length)}`;
  return 'the log says no more';
};

const rulesSentence = ({ byPriority, alerts, matches, rules }: Collected): string => {
  if (alerts === 0) return 'No rule raised an alert.';
  const counts = PRIORITIES.flatMap((priority) => {
    const count = byPriority.get(priority);
    return count === undefined ? [] : [`${number(count)} ${priority}`];
  });
  const stood = matches === alerts ? '' : `, which stand for ${plural(matches, 'match', 'matches')}`;
  return `${plural(rules.length, 'rule')} raised ${plural(alerts, 'alert')}${stood}: ${list(counts)}.`;
};

const attemptsSentence = ({ attempts }: Collected): string => {
  const sum = (wanted: (each: AttemptTotal) => boolean): number =>
    attempts.filter(wanted).reduce((total, { count }) => total + count, 0);
  const done = sum(({ isDone }) => isDone);
  const not = sum(({ isDone }) => !isDone);
  if (done + not === 0) return 'Nothing was denied or killed, and nothing was to be.';
  return `${plural(done + not, 'attempt')} to deny or kill: ${number(done)} carried out, ${number(not)} not.`;
};

const lossSentence = ({ gaps }: Collected): string => {
  const lost = [...gaps.gaps.values()].filter(({ isLost }) => isLost);
  return lost.length === 0
    ? 'The log names nothing that was lost.'
    : `Something was lost: ${plural(lost.length, 'cause')}, see below.`;
};

const runSentence = ({ runs: { runs, omittedRuns } }: Collected): string => {
  const crashed = runs.filter(({ end }) => end === 'crashed').length;
  const all = runs.length + omittedRuns;
  if (all === 0) return 'The log has no start of an agent; what it was started with was removed or stands before it.';
  return `The agent was started ${all === 1 ? 'once' : `${number(all)} times`}${crashed > 0 ? `; ${plural(crashed, 'run')} ended without a stop` : ''}.`;
};

const figure = (name: string, count: number | string, note: string): Html =>
  html`<div><dt>${name}</dt><dd>${typeof count === 'number' ? number(count) : count}<small>${note}</small></dd></div>`;

/** What happened, in words and figures. */
export const summarySection = (collected: Collected): Html => {
  const { alerts, matches, rules, attempts, gaps, happenedFirst, happenedLast, hosts } = collected;
  const when =
    happenedFirst === undefined
      ? html`<p>On ${list([...hosts].map((host) => host || 'an unnamed host')) || 'no host'} nothing happened that a rule is about. `
      : html`<p>Between ${moment(happenedFirst)} and ${moment(happenedLast)} UTC, on ${list([...hosts].slice(0, 20))}: `;
  const done = attempts.filter(({ isDone }) => isDone).reduce((sum, { count }) => sum + count, 0);
  const not = attempts.filter(({ isDone }) => !isDone).reduce((sum, { count }) => sum + count, 0);
  const urgent = rules
    .filter(({ priority }) => ['emergency', 'alert', 'critical'].includes(priority))
    .reduce((sum, each) => sum + each.alerts, 0);
  const lost = [...gaps.gaps.values()].filter(({ isLost }) => isLost).reduce((sum, { count }) => sum + count, 0);
  const text = `${rulesSentence(collected)} ${attemptsSentence(collected)} ${lossSentence(collected)} ${runSentence(collected)}`;
  return section(
    'summary',
    'What happened',
    html`${when}${text}</p>
<dl class="figures">${figure('Alerts', alerts, matches === alerts ? plural(rules.length, 'rule') : `for ${plural(matches, 'match', 'matches')}`)}${figure('Critical and above', urgent, `${share(urgent, alerts)} of the alerts`)}${figure('Denied or killed', done, done === 1 ? 'attempt carried out' : 'attempts carried out')}${figure('Not carried out', not, not === 1 ? 'attempt, with its reason' : 'attempts, with reasons')}${figure('Lost', lost, lost === 0 ? 'nothing, as far as the log says' : 'records, runs or entries')}</dl>`,
  );
};

/** What was denied or killed, and what was not and why. */
export const enforcementSection = ({ attempts, switches, omittedSwitches }: Collected): Html => {
  const { rows, note } = bounded(attempts, attempts.length, 'group of attempts');
  const attempted =
    attempts.length === 0
      ? html`<p>No rule that denies or kills matched.</p>`
      : table(
          'Attempts to deny or kill by rule and outcome',
          [
            { label: 'Rule' },
            { label: 'Outcome' },
            { label: 'Action' },
            { label: 'Attempts', isNumber: true },
            { label: 'Why' },
            { label: 'First (UTC)' },
            { label: 'Last (UTC)' },
          ],
          rows.map((each) => [
            html`${each.rule}`,
            done(each.isDone, each.outcome),
            html`${each.action}`,
            html`${number(each.count)}`,
            html`${reasonOf(each)}`,
            moment(each.first),
            moment(each.last),
          ]),
        );
  const switched =
    switches.length > 0 &&
    html`<h3>Enforcement switched</h3>${table(
      'When enforcement was switched, or had ended by itself',
      [{ label: 'Time (UTC)' }, { label: 'What' }, { label: 'By' }],
      switches.map(({ time, body }) => [
        moment(time),
        body.lapsed === undefined
          ? html`switched ${textOf(body.switched)}`
          : html`nothing was enforced for ${duration(numberOf(body.lapsed) / 1e6)}`,
        body.lapsed === undefined ? value(textOf(body.by)) : html`the agent had not said that it lives`,
      ]),
    )}${omittedSwitches > 0 && html`<p><strong>Left out here:</strong> ${plural(omittedSwitches, 'more')}.</p>`}`;
  return section(
    'enforcement',
    'What was denied or killed, and what was not',
    html`${attempted}${note}${switched}`,
    true,
  );
};

const costHtml = (cost: Cost | undefined): Html => {
  if (cost === undefined)
    return html`<p class="soft">What rules cost is not in the log, so it is not here. An agent with <code>--metrics</code> and <code>--program-cost</code> knows; save what <code>/metrics</code> answers, and give it with <code>--metrics</code>.</p>`;
  const seconds = cost.policies.reduce((sum, each) => sum + each.seconds, 0);
  const policies = table(
    'Processor time by policy, since the agent of these metrics was started',
    [{ label: 'Policy' }, { label: 'Seconds', isNumber: true }, { label: 'Share', isNumber: true }],
    cost.policies
      .slice(0, MOST_ROWS)
      .map((each) => [html`${each.policy}`, html`${each.seconds.toFixed(3)}`, html`${share(each.seconds, seconds)}`]),
  );
  const hooks = table(
    "Runs of each hook's program, which all policies share",
    [
      { label: 'Hook' },
      { label: 'Runs', isNumber: true },
      { label: 'Seconds', isNumber: true },
      { label: 'ns a run', isNumber: true },
    ],
    cost.hooks.map(({ hook, runs, seconds: its }) => [
      html`<code>${hook}</code>`,
      html`${number(runs)}`,
      html`${its.toFixed(3)}`,
      html`${runs === 0 ? '–' : number(Math.round((its * 1e9) / runs))}`,
    ]),
  );
  return html`${cost.policies.length > 0 && policies}${cost.hooks.length > 0 && hooks}`;
};

/** Rules by how much they raise, and policies by what they cost. */
export const rulesSection = ({ rules, alerts, gaps }: Collected, cost: Cost | undefined): Html => {
  const { rows, note } = bounded(rules, rules.length, 'rule');
  const noisy =
    rules.length === 0
      ? html`<p>No rule raised an alert.</p>`
      : table(
          'Rules by noise; a match that is counted together with others has no alert of its own',
          [
            { label: 'Rule' },
            { label: 'Priority' },
            { label: 'Alerts', isNumber: true },
            { label: 'Share', isNumber: true },
            { label: 'Matches', isNumber: true },
            { label: 'First (UTC)' },
            { label: 'Last (UTC)' },
            { label: 'Policy' },
          ],
          rows.map((each) => [
            html`${each.rule}`,
            badge(each.priority),
            html`${number(each.alerts)}`,
            html`${share(each.alerts, alerts)} <svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect width="${((100 * each.alerts) / alerts).toFixed(1)}" height="10"/></svg>`,
            html`${number(each.matches)}`,
            moment(each.first),
            moment(each.last),
            html`${each.policy}`,
          ]),
        );
  const untold = [...gaps.untold];
  const notTold =
    untold.length > 0 &&
    html`<p>Counted, and in no alert yet at the log's end: ${list(untold.slice(0, 20).map(([rule, count]) => `${plural(count, 'match', 'matches')} of "${rule}"`))}.</p>`;
  return section(
    'rules',
    'Rules by noise and cost',
    html`${noisy}${note}${notTold}<h3>Cost</h3>${costHtml(cost)}`,
    true,
  );
};

/** What was not seen, held back or removed. */
export const lossSection = ({ gaps: { gaps } }: Collected): Html => {
  const all = [...gaps.values()].sort(
    (one, other) => Number(other.isLost) - Number(one.isLost) || other.count - one.count,
  );
  if (all.length === 0)
    return section(
      'losses',
      'Losses and what was held back',
      html`<p>The log has no entry about anything that was lost, held back or removed in this time.</p>`,
    );
  const { rows, note } = bounded(all, all.length, 'cause');
  return section(
    'losses',
    'Losses and what was held back',
    html`${table(
      'What the log says was lost, held back or removed, added up',
      [
        { label: 'What' },
        { label: 'Gone?' },
        { label: 'How many', isNumber: true },
        { label: 'Entries', isNumber: true },
        { label: 'First (UTC)' },
        { label: 'Last (UTC)' },
      ],
      rows.map((each) => [
        html`${each.what}`,
        each.isLost
          ? html`<span class="badge is-bad">✗ lost</span>`
          : html`<span class="badge">${each.kind === 'loss' ? 'not sent' : 'on purpose'}</span>`,
        html`${number(each.count)}`,
        html`${number(each.entries)}`,
        moment(each.first),
        moment(each.last),
      ]),
    )}${note}`,
  );
};

const ENDINGS: Readonly<Record<PolicyPeriod['ending'], string>> = {
  'in force': "in force at the log's end",
  stop: 'until the agent stopped',
  crash: "until the run's last entry; it ended without a stop",
  replaced: 'until another version replaced it',
  removed: 'until it was taken away',
};

/** Which policies were in force, and when. */
export const policiesSection = ({ runs: { periods, omittedPeriods }, rules, firstSeq }: Collected): Html => {
  const { rows, note } = bounded(periods, periods.length + omittedPeriods, 'more');
  const known = new Set(periods.map(({ name, hash }) => `${name} ${hash}`));
  const unnamed = rules.flatMap(({ policy, hashes }) =>
    [...hashes].filter((hash) => hash !== '' && !known.has(`${policy} ${hash}`)).map((hash) => ({ policy, hash })),
  );
  const others = [...new Map(unnamed.map((each) => [`${each.policy} ${each.hash}`, each])).values()].slice(
    0,
    MOST_ROWS,
  );
  const forced =
    periods.length === 0
      ? html`<p>No entry of this time says which policies were loaded.</p>`
      : table(
          'Policies in force; the hash is the SHA-256 of the policy file',
          [
            { label: 'Policy' },
            { label: 'SHA-256' },
            { label: 'Mode' },
            { label: 'Rules', isNumber: true },
            { label: 'From (UTC)' },
            { label: 'Until (UTC)' },
          ],
          rows.map((each) => [
            html`${each.name}`,
            html`<code>${each.hash}</code>`,
            html`${each.mode}`,
            html`${number(each.rules)}`,
            html`${moment(each.from)}${each.reloaded && ' by a reload'}`,
            html`${each.until !== undefined && moment(each.until)} <span class="soft">${ENDINGS[each.ending]}</span>`,
          ]),
        );
  const fromAlerts =
    others.length > 0 &&
    html`<h3>Named by alerts only</h3><p>The log begins with entry ${firstSeq ?? 1}${(firstSeq ?? 1) > 1 && ', so that entries about what was loaded before are gone'}; these versions stand in alerts:</p><ul>${others.map(({ policy, hash }) => html`<li>${policy} <code>${hash}</code></li>`)}</ul>`;
  return section('policies', 'Policies in force', html`${forced}${note}${fromAlerts}`, true);
};

const endOf = ({ end }: Run): Html => {
  if (end === 'stopped') return html`<span class="badge is-good">✓ stopped</span>`;
  if (end === 'crashed') return html`<span class="badge is-bad">✗ no stop: crashed or killed</span>`;
  return html`<span class="badge">no stop yet: it still ran, or was ended without one</span>`;
};

/** When the agent ran, and how each run ended. */
export const runsSection = ({ runs: { runs, omittedRuns } }: Collected): Html => {
  const { rows, note } = bounded(runs, runs.length + omittedRuns, 'run');
  const content =
    runs.length === 0
      ? html`<p>The log has no start of an agent.</p>`
      : table(
          'Starts and stops of the agent; a start after a run without a stop means that it crashed or was killed',
          [
            { label: 'Started (UTC)' },
            { label: 'Ended (UTC)' },
            { label: 'How' },
            { label: 'Host' },
            { label: 'Kernel' },
            { label: 'Enforcement' },
            { label: 'Events', isNumber: true },
            { label: 'Alerts', isNumber: true },
          ],
          rows.map((each) => [
            html`${moment(each.started)} <span class="soft">entry ${each.seq}</span>`,
            html`${moment(each.ended)} <span class="soft">entry ${each.lastSeq}</span>`,
            endOf(each),
            html`${each.host}`,
            html`${each.kernel}${each.scope !== '' && html`, cgroup <code>${each.scope}</code>`}`,
            html`${each.enforce ? 'on' : 'off'}${each.tiers.length > 0 && html` <span class="soft">${list(each.tiers)}</span>`}`,
            html`${each.events === undefined ? '–' : number(each.events)}`,
            html`${each.alerts === undefined ? '–' : number(each.alerts)}`,
          ]),
        );
  return section('runs', 'Starts and stops', html`${content}${note}`);
};
