import { createHash } from 'node:crypto';
import type { Collected } from '../collect.ts';
import type { Cost } from '../cost.ts';
import { type Evidence, proofsOf } from '../evidence.ts';
import { type Html, html, raw } from '../html.ts';
import { list, number, plural } from '../words.ts';
import { evidenceSection, verdictBanner } from './chain.ts';
import { entriesHtml, filterForm } from './entries.ts';
import { moment } from './marks.ts';
import { SCRIPT } from './script.ts';
import {
  enforcementSection,
  lossSection,
  policiesSection,
  rulesSection,
  runsSection,
  section,
  summarySection,
} from './sections.ts';
import { STYLE } from './style.ts';
import { timelineSection } from './timeline.ts';
import { treeHtml } from './tree.ts';

/** All that a page is made of. */
export interface PageContent {
  readonly title: string;
  readonly folder: string;
  readonly version: string;
  /** ISO 8601. */
  readonly madeAt: string;
  readonly since: string | undefined;
  readonly until: string | undefined;
  readonly collected: Collected;
  readonly evidence: Evidence;
  readonly cost: Cost | undefined;
}

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Nothing is loaded from anywhere, nothing is sent anywhere, and no text of the log can become a program. */
const POLICY = `default-src 'none'; script-src ${hashOf(SCRIPT)}; style-src ${hashOf(STYLE)}; base-uri 'none'; form-action 'none'`;

const SECTIONS = [
  ['summary', 'What happened'],
  ['timeline', 'When'],
  ['processes', 'Process trees'],
  ['entries', 'Alerts and attempts'],
  ['enforcement', 'Denied or killed'],
  ['rules', 'Rules'],
  ['losses', 'Losses'],
  ['policies', 'Policies'],
  ['runs', 'Starts and stops'],
  ['evidence', 'Chain of evidence'],
  ['left-out', 'Left out'],
] as const;

const headerHtml = ({ title, collected, madeAt, version, since, until }: PageContent): Html => {
  const { firstTime, lastTime, firstSeq, lastSeq, entries } = collected;
  const asked =
    since === undefined && until === undefined
      ? undefined
      : html`<p>Only what happened ${since !== undefined && html`from ${moment(since)} on`} ${until !== undefined && html`until ${moment(until)}`} (UTC); policies and runs of other times stand here, too, where they tell what was in force.</p>`;
  const range =
    entries === 0
      ? html`The log has no entries.`
      : html`Entries ${number(firstSeq ?? 0)} to ${number(lastSeq ?? 0)} of the log, recorded from ${moment(firstTime)} to ${moment(lastTime)} (all times are UTC).`;
  return html`<header><h1>${title}</h1><p class="soft">${range} Made ${moment(madeAt)} by Shrike ${version}.</p>${asked}</header>`;
};

const leftOutSection = ({ collected }: PageContent): Html => {
  const { shown, shares, kinds, tree } = collected;
  const all = [...kinds].filter(([kind]) => kind !== 'policy').reduce((sum, [, count]) => sum + count, 0);
  const cut = shares.filter((each) => each.shown < each.of);
  const words = cut
    .slice(0, 100)
    .map((each) => html`<li>${each.group}: ${number(each.shown)} of ${number(each.of)}</li>`);
  const entriesText =
    cut.length === 0
      ? html`<p>All ${number(shown.length)} entries of this time are on this page, but those about policies, which the table has.</p>`
      : html`<p>${number(shown.length)} of ${number(all)} entries of this time are shown in full: of each kind and rule the first ones, and the last. All others are counted in the figures, the timeline, the process tree and the tables. Ask for more with <code>--limit</code>, or for a shorter time with <code>--since</code> and <code>--until</code>.</p><details><summary>How many of which</summary><ul>${words}</ul>${cut.length > 100 && html`<p>and ${plural(cut.length - 100, 'more group')}</p>`}</details>`;
  const counted = list([...kinds].sort().map(([kind, count]) => `${number(count)} ${kind}`));
  return section(
    'left-out',
    'What this page leaves out',
    html`${entriesText}<p>The process tree has ${plural(tree.nodes, 'place')}. Where a process has more than 8 children of one executable, or the tree more places than a page can show, processes of one executable are counted together.</p><p>Values of more than some hundred characters are cut, and say how long they are. The log itself has all of it. Entries of this time by kind: ${counted || 'none'}.</p>`,
  );
};

/** The report as one HTML document. */
export const pageHtml = (content: PageContent): string => {
  const { title, collected, evidence, cost, folder } = content;
  const isProven = evidence.state === 'verified';
  const proving = {
    folder,
    size: isProven ? (evidence.checkpoint?.size ?? 0) : 0,
    proofOf: isProven ? proofsOf(folder, evidence) : () => undefined,
  };
  const links = SECTIONS.map(([id, name]) => html`<li><a href="#${id}">${name}</a></li>`);
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${raw(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Shrike ${content.version}">
<title>${title}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<a class="skip" href="#summary">Skip to the summary</a>
${headerHtml(content)}
<nav aria-label="Sections"><ul>${links}</ul></nav>
<main>
${verdictBanner(evidence, collected)}
${summarySection(collected)}
${timelineSection(collected)}
${filterForm(collected)}
${section('processes', 'By which process trees', treeHtml(collected), true)}
${section('entries', 'Alerts, attempts and what else was recorded', entriesHtml(collected, proving), true)}
${enforcementSection(collected)}
${rulesSection(collected, cost)}
${lossSection(collected)}
${policiesSection(collected)}
${runsSection(collected)}
${evidenceSection(evidence, folder)}
${leftOutSection(content)}
</main>
<footer><p>Made by Shrike ${content.version} from the audit log in ${folder}. This page loads nothing and sends nothing; it works without a network and without a server.</p></footer>
<script>${raw(SCRIPT)}</script>
</body>
</html>
`.html;
};
