import { PRIORITIES, type Priority } from '../../../rules/index.ts';
import type { Collected } from '../collect.ts';
import type { ProofOf } from '../evidence.ts';
import { ancestorsIn, bodyOf, numberOf, objectOf, textOf } from '../glance.ts';
import { type Html, html, lines } from '../html.ts';
import type { LogLine } from '../lines.ts';
import { clipped, duration, plural, shellWord } from '../words.ts';
import { badge, done, moment, value } from './marks.ts';

const MOST_LINE = 600;
const MOST_RAW = 4_000;
const MOST_FIELDS = 60;

type Body = Readonly<Record<string, unknown>>;

const fact = (name: string, content: Html | undefined): Html | undefined =>
  content && html`<dt>${name}</dt><dd>${content}</dd>`;

const jsonText = (given: unknown): string => (typeof given === 'string' ? given : (JSON.stringify(given) ?? ''));

const fieldsHtml = (fields: Body, trust: Body): Html | undefined => {
  const names = Object.keys(fields);
  if (names.length === 0) return undefined;
  const items = names.slice(0, MOST_FIELDS).map((name) => {
    const how = textOf(trust[name]);
    const given = fields[name];
    return html`<dt><code>${clipped(name, 100)}</code></dt><dd>${given === null ? html`<span class="soft">not known</span>` : value(jsonText(given))}${how !== '' && html` <span class="soft">(${how})</span>`}</dd>`;
  });
  const more = names.length - MOST_FIELDS;
  return html`<dl class="facts">${items}</dl>${more > 0 && html`<p class="soft">and ${plural(more, 'more field')}, which the log has</p>`}`;
};

const processHtml = (process: Body): Html => {
  const ancestors = ancestorsIn(JSON.stringify(process.ancestors ?? []));
  const chain = ancestors.map(
    ({ pid, exe, cmdline }) => html`<li>${value(cmdline ?? exe)} <span class="soft">pid ${pid}</span></li>`,
  );
  return html`${value(textOf(process.cmdline) || textOf(process.exe))} <span class="soft">pid ${numberOf(process.pid)}, uid ${numberOf(process.uid)}, executable</span> ${value(textOf(process.exe))}${ancestors.length > 0 && html`<details><summary>${plural(ancestors.length, 'ancestor')}, parent first</summary><ol>${chain}</ol></details>`}`;
};

const correlationHtml = (correlation: Body): Html =>
  html`${textOf(correlation.kind)} of ${plural(numberOf(correlation.count), 'event')} from ${moment(textOf(correlation.from))} to ${moment(textOf(correlation.to))}, by ${value(jsonText(correlation.key))}`;

const aggregatedHtml = (aggregated: Body): Html =>
  html`stands for ${plural(numberOf(aggregated.count), 'match', 'matches')} from ${moment(textOf(aggregated.since))} to ${moment(textOf(aggregated.until))}`;

interface Shown {
  readonly kind: string;
  readonly time: string;
  readonly rule: string;
  readonly priority: string;
  readonly mark: Html;
  readonly text: Html;
  readonly facts: readonly (Html | undefined)[];
}

const alertShown = (body: Body): Shown => {
  const priority = textOf(body.priority) as Priority;
  const { verdict, enforced, correlation, aggregated } = body;
  const isActing = verdict === 'deny' || verdict === 'kill';
  const word = verdict === 'deny' ? 'denied' : 'killed';
  const acted = isActing ? done(enforced === true, enforced === true ? word : `would be ${word}`) : undefined;
  const container = objectOf(body.container);
  return {
    kind: 'alert',
    time: textOf(body.time),
    rule: textOf(body.rule),
    priority,
    mark: html`${PRIORITIES.includes(priority) && badge(priority)} ${acted}`,
    text: html`<strong>${textOf(body.rule)}</strong> <span class="v">${clipped(textOf(body.output), MOST_LINE)}</span>`,
    facts: [
      fact('Process', processHtml(objectOf(body.process))),
      body.container === undefined
        ? undefined
        : fact(
            'Container',
            html`${value(textOf(container.name) || textOf(container.id))} ${textOf(container.image) !== '' && html`from ${value(textOf(container.image))}`}`,
          ),
      correlation === undefined ? undefined : fact('Several events', correlationHtml(objectOf(correlation))),
      aggregated === undefined ? undefined : fact('Counts', aggregatedHtml(objectOf(aggregated))),
      fact('Fields', fieldsHtml(objectOf(body.fields), objectOf(body.trust))),
      fact(
        'Seen at',
        html`<code>${textOf(body.hook)}</code>, event <code>${textOf(body.event)}</code>, host ${value(textOf(body.host))}, kernel ${value(textOf(body.kernel))}`,
      ),
      fact('Policy', html`${value(textOf(body.policy))} <code class="soft">${textOf(body.policyHash)}</code>`),
    ],
  };
};

const attemptShown = (body: Body): Shown => {
  const outcome = textOf(body.outcome);
  const isDone = body.denied === true || outcome === 'denied' || outcome === 'killed';
  return {
    kind: isDone ? 'done' : 'tried',
    time: textOf(body.time),
    rule: textOf(body.rule),
    priority: '',
    mark: done(isDone, outcome),
    text: html`<strong>${textOf(body.rule)}</strong> <span class="v">${textOf(body.action)} ${clipped(textOf(body.exe) || 'unknown executable', MOST_LINE)} at ${textOf(body.event)}</span>`,
    facts: [
      fact('Process', html`${value(textOf(body.exe))} <span class="soft">pid ${numberOf(body.pid)}</span>`),
      fact('Cgroup', value(textOf(body.cgroup))),
      fact('Asked about', value(jsonText(body.arguments))),
      fact('Fields', fieldsHtml(objectOf(body.fields), {})),
      fact(
        'Policy',
        html`${value(textOf(body.policy))}, mode ${textOf(body.mode)} <code class="soft">${textOf(body.policyHash)}</code>`,
      ),
    ],
  };
};

const OTHER: Readonly<Record<string, (body: Body) => Html>> = {
  start: (body) =>
    html`<strong>agent started</strong> on ${value(textOf(body.host))}, kernel ${value(textOf(body.kernel))}, enforcement ${body.enforce === true ? 'on' : 'off'}`,
  stop: (body) =>
    html`<strong>agent stopped</strong> after ${plural(numberOf(body.events), 'event')} and ${plural(numberOf(body.alerts), 'alert')}`,
  policy: (body) => {
    const { from, to } = objectOf(body.rotated);
    return html`<strong>the log's key was changed</strong> from ${value(textOf(from))} to ${value(textOf(to))}`;
  },
  loss: (body) => html`<strong>loss</strong> ${value(jsonText(body))}`,
  shed: (body) => html`<strong>held back or removed</strong> ${value(jsonText(body))}`,
  enforcement: (body) =>
    body.lapsed === undefined
      ? html`<strong>enforcement switched ${textOf(body.switched)}</strong> by ${value(textOf(body.by))}`
      : html`<strong>nothing was enforced</strong> for ${duration(numberOf(body.lapsed) / 1e6)}: the agent had not said that it lives`,
};

const shownOf = (line: LogLine, body: Body): Shown => {
  if (line.kind === 'alert') return alertShown(body);
  if (line.kind === 'enforcement' && typeof body.outcome === 'string') return attemptShown(body);
  const { kind, time } = line;
  const text = OTHER[kind]?.(body) ?? value(jsonText(body));
  const group = kind === 'loss' || kind === 'shed' ? 'gap' : 'agent';
  return {
    kind: group,
    time,
    rule: textOf(body.rule),
    priority: '',
    mark: html`<span class="badge">${kind}</span>`,
    text,
    facts: [],
  };
};

/** How entries of the page are shown to be in the log. */
export interface Proving {
  /** The log's folder, for commands. */
  readonly folder: string;
  readonly proofOf: ProofOf;
  /** Entries that the checkpoint is about; 0 where there is none that holds. */
  readonly size: number;
}

/** Proofs that stand on the page itself. */
const MOST_PROOFS = 200;
/** Characters of a line that stands in its proof. */
const MOST_PROVEN = 10_000;

const proofHtml = ({ seq, text }: LogLine, proof: string | undefined, { folder, size }: Proving): Html => {
  const command = html`<code>shrike audit prove ${shellWord(folder)} --seq ${seq} --out ${seq}.tlog-proof</code>`;
  if (seq > size)
    return html`<p class="soft">No checkpoint that holds covers this entry, so that nothing proves it yet.</p>`;
  if (proof === undefined) return html`<p class="soft">To prove it: ${command}</p>`;
  return html`<p class="soft">The proof that it is in the log, line included (C2SP tlog-proof): as a file, <code>shrike audit check-proof FILE --key KEY</code> checks it without the log. The same from the log: ${command}</p>
<pre tabindex="0" aria-label="Proof of entry ${seq}, ${plural(text.length, 'character')}">${lines(proof)}</pre>`;
};

const entryHtml = (line: LogLine, at: number, proving: Proving): Html | undefined => {
  const body = bodyOf(line);
  if (body === undefined) return undefined;
  const { kind, time, rule, priority, mark, text, facts } = shownOf(line, body);
  const hasProof = at < MOST_PROOFS && line.text.length < MOST_PROVEN;
  const proof = hasProof ? proving.proofOf(line.seq, line.text) : undefined;
  const data = html`data-time="${time}" data-kind="${kind}" data-rule="${rule}" data-priority="${priority}"`;
  return html`<li id="e-${line.seq}" ${data}><details><summary>${moment(time, 3)} ${mark} ${text}</summary>
<div class="inner"><dl class="facts">${facts}${fact('Recorded', html`as entry ${line.seq}, ${moment(line.time, 3)}`)}</dl>
<details class="raw"><summary>The line as the log has it, and its proof</summary><pre tabindex="0" aria-label="Line of entry ${line.seq}">${clipped(line.text, MOST_RAW)}</pre>${proofHtml(line, proof, proving)}</details></div></details></li>
`;
};

/** Entries in full, in the order of the log. */
export const entriesHtml = ({ shown }: Collected, proving: Proving): Html =>
  html`<ol class="entries" aria-label="Entries in full">${shown.map((line, at) => entryHtml(line, at, proving))}</ol><p id="nothing" hidden>No entry that is shown in full fits the filter.</p>`;

/** The form that filters entries and tree; hidden where the page's program doesn't run. */
export const filterForm = ({ rules, attempts }: Collected): Html => {
  const names = [...new Set([...rules.map(({ rule }) => rule), ...attempts.map(({ rule }) => rule)])].sort();
  const priorities = PRIORITIES.filter((priority) => rules.some((each) => each.priority === priority));
  return html`<form id="filters" class="filters" hidden><fieldset><legend>Filter the process tree and the entries</legend>
<label>Rule<select name="rule"><option value="">all</option>${names.map((name) => html`<option value="${name}">${clipped(name, 80)}</option>`)}</select></label>
<label>Priority<select name="priority"><option value="">all</option>${priorities.map((name) => html`<option value="${name}">${name}</option>`)}</select></label>
<label>Kind<select name="kind"><option value="">all</option><option value="alert">alerts</option><option value="done">denied or killed</option><option value="tried">all attempts to deny or kill</option><option value="gap">losses, held back</option><option value="agent">starts, stops, switches</option></select></label>
<label>Text<input type="search" name="text" autocomplete="off" spellcheck="false"></label>
<label>From (UTC)<input type="datetime-local" step="1" name="from"></label>
<label>Until (UTC)<input type="datetime-local" step="1" name="until"></label>
<div class="buttons"><button type="reset">Show all</button></div></fieldset>
<p class="said" id="said" role="status" aria-live="polite"></p></form>`;
};
